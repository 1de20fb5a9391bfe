"""`dwdp-report`: that of the simulator, which learns here to compare measured rows and bundles."""

from __future__ import annotations

from dwdp_sim.base.early_signals import EarlySignals

# Imported once signals are answered, and what works once it is known how the command ends.
# ruff: noqa: PLC0415


def main() -> None:
    """Entry point of `dwdp-report`."""
    with EarlySignals():
        from dwdp_sim.base.endings import run_command

        run_command(_run)


def _run() -> None:
    from dwdp_hw.diff.sides import read_bundle_side, read_rows_side
    from dwdp_sim.report_command import run

    run((read_bundle_side, read_rows_side))


if __name__ == "__main__":
    main()
