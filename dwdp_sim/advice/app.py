"""`dwdp-advise`: recommend a copy strategy, say how certain that is, and when it would change."""

from __future__ import annotations

import time

from dwdp_sim.base.early_signals import EarlySignals

# Imported once signals are answered, and what works once it is known how the command ends; help waits for neither
# Hydra nor NumPy.
# ruff: noqa: PLC0415


def main() -> None:
    """Entry point of `dwdp-advise`."""
    began = time.monotonic()
    with EarlySignals():
        from dwdp_sim.base.endings import run_command

        run_command(lambda: _run(began))


def _run(began: float) -> None:
    from dwdp_sim.job.help_page import print_help_if_asked

    if not print_help_if_asked("advise"):
        from dwdp_sim.advice.command import run

        run(began)


if __name__ == "__main__":
    main()
