"""`dwdp-advise`: recommend a copy strategy, say how certain that is, and when it would change."""

from __future__ import annotations

from dwdp_sim.base.endings import run_command

# Imported once it is known how the command ends; help does not wait for Hydra and NumPy.
# ruff: noqa: PLC0415


def main() -> None:
    """Entry point of `dwdp-advise`."""
    run_command(_run)


def _run() -> None:
    from dwdp_sim.job.help_page import print_help_if_asked

    if not print_help_if_asked("advise"):
        from dwdp_sim.advice.command import run

        run()
