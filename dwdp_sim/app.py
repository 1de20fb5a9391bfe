"""`dwdp-sim`: predict how long an expert prefetch takes, say where the time goes, and draw it."""

from __future__ import annotations

from dwdp_sim.base.endings import run_command

# Imported once it is known how the command ends; help does not wait for Hydra and NumPy.
# ruff: noqa: PLC0415


def main() -> None:
    """Entry point of `dwdp-sim`."""
    run_command(_run)


def _run() -> None:
    from dwdp_sim.job.help_page import print_help_if_asked

    if not print_help_if_asked("config"):
        from dwdp_sim.command import run

        run()
