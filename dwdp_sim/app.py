"""`dwdp-sim`: predict how long an expert prefetch takes, say where the time goes, and draw it."""

from __future__ import annotations

from dwdp_sim.job.help_page import print_help_if_asked


def main() -> None:
    """Entry point of `dwdp-sim`."""
    if not print_help_if_asked("config"):
        from dwdp_sim.command import run  # noqa: PLC0415  # help should not wait for Hydra and NumPy

        run()
