"""The error of a kernel that nobody measured."""

from __future__ import annotations

from dwdp_sim.base.errors import ConfigError


class NotMeasuredError(ConfigError):
    """The tables lack a GPU, a format or a shape: another source of compute times is needed.

    Attributes:
        lacking: What they lack.
    """

    def __init__(self, key: str, value: object, lacking: str, remedy: str) -> None:
        super().__init__(key, value, f"{lacking}; {remedy}")
        self.lacking = lacking
