"""`dwdp-hw`: run a plan on this machine's GPUs, check every byte, and compare the times with the prediction."""

from __future__ import annotations

from dwdp_sim.base.early_signals import EarlySignals

# Imported once signals are answered, and what works once it is known how the command ends; help waits for neither
# Hydra nor NumPy.
# ruff: noqa: PLC0415


def main() -> None:
    """Entry point of `dwdp-hw`."""
    with EarlySignals():
        from dwdp_sim.base.endings import run_command

        run_command(_run)


def _run() -> None:
    import sys

    from dwdp_hw import subcommands

    if len(sys.argv) > 1 and sys.argv[1] in subcommands.WORDS:
        subcommands.run(sys.argv[1:])
        return
    from dwdp_sim.job.help_page import print_help_if_asked

    if not print_help_if_asked("hw"):
        from dwdp_hw.command import run

        run()


if __name__ == "__main__":
    main()
