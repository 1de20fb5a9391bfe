"""`dwdp-sim`: predict how long an expert prefetch takes, say where the time goes, and draw it."""

from __future__ import annotations

from dwdp_sim.base.early_signals import EarlySignals

# Imported once signals are answered, and what works once it is known how the command ends; help waits for neither
# Hydra nor NumPy.
# ruff: noqa: PLC0415


def main() -> None:
    """Entry point of `dwdp-sim`."""
    with EarlySignals():
        from dwdp_sim.base.endings import run_command

        run_command(_run)


def _run() -> None:
    from dwdp_sim.job.help_page import print_help_if_asked

    if not print_help_if_asked("config"):
        from dwdp_sim.command import run

        run()


if __name__ == "__main__":
    main()
