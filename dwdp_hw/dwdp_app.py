"""`dwdp`: one command for the questions that people ask, over those that there are."""

from __future__ import annotations

from dwdp_sim.base.early_signals import EarlySignals

# Imported once signals are answered, and what works once it is known how the command ends; help waits for neither
# Hydra nor NumPy.
# ruff: noqa: PLC0415


def main() -> None:
    """Entry point of `dwdp`."""
    with EarlySignals():
        import sys

        from dwdp_hw.dwdp_command import run, runs_an_engine

        if runs_an_engine(sys.argv[1:]):  # signals are the engine's, which ends in its own time
            run(sys.argv[1:])
        else:
            from dwdp_sim.base.endings import run_command

            run_command(lambda: run(sys.argv[1:]))


if __name__ == "__main__":
    main()
