"""`dwdp-report`: that of the simulator, which learns here to compare measured rows and bundles."""

from __future__ import annotations

from dwdp_sim.base.endings import run_command


def main() -> None:
    """Entry point of `dwdp-report`."""
    run_command(_run)


def _run() -> None:
    from dwdp_hw.diff.sides import read_bundle_side, read_rows_side  # noqa: PLC0415  # once it is known how it ends
    from dwdp_sim.report_app import run  # noqa: PLC0415

    run((read_bundle_side, read_rows_side))


if __name__ == "__main__":
    main()
