"""`dwdp-advise`: recommend a copy strategy, say how certain that is, and when it would change."""

from __future__ import annotations

from dwdp_sim.job.help_page import print_help_if_asked


def main() -> None:
    """Entry point of `dwdp-advise`."""
    if not print_help_if_asked("advise"):
        from dwdp_sim.advice.command import run  # noqa: PLC0415  # help should not wait for Hydra and NumPy

        run()
