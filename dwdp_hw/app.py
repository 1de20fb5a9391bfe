"""`dwdp-hw`: run a plan on this machine's GPUs, check every byte, and compare the times with the prediction."""

from __future__ import annotations

from dwdp_sim.job.help_page import print_help_if_asked


def main() -> None:
    """Entry point of `dwdp-hw`."""
    if not print_help_if_asked("hw"):
        from dwdp_hw.command import run  # noqa: PLC0415  # help should not wait for Hydra and NumPy

        run()


if __name__ == "__main__":
    main()
