"""Reference rates of GPUs and links: a table that ships with this package."""

from __future__ import annotations

import functools
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from dwdp_hw.health.rates import Rate
from dwdp_sim.base.typed_file import Name, convert
from dwdp_sim.base.user_file import read_yaml

TABLE = Path(__file__).with_name("references.yaml")
_WITHOUT_SWITCH = {"PCIe", "PCIE", "NVL"}  # cards of the same GPU whose peers are behind a bridge, or PCIe
_ENDS = {
    "nvlink_switch": "peer",
    "nvlink_direct": "peer",
    "pcie4": "host",
    "pcie5": "host",
    "c2c": "host",
    "memory": "local",
}


class Source(Struct, forbid_unknown_fields=True):
    """Where a rate is from: a case of a file of measured rows, a testcase that others published, or words."""

    file: Name | None = None
    case: Name | None = None
    machine: Name | None = None
    testcase: Name | None = None
    public: Name | None = None

    def __str__(self) -> str:
        """The source in words."""
        if self.file:
            return f"{self.file}, {self.case}"
        return self.public or f"nvbandwidth, {self.machine}, {self.testcase}"


class Reference(Struct, forbid_unknown_fields=True):
    """The rate that a kind of copy reaches on a kind of machine.

    Attributes:
        gpu: A word of the name that the driver gives the GPU.
        link: What the bytes go over.
        copy: Whose engine moves them, or which way they go.
        ways: Whether the opposite direction is busy meanwhile.
        bytes_per_s: The rate of one direction.
        tolerance: Share by which a healthy machine may be slower.
        date: When it was measured or read.
        source: Where it is from.
    """

    gpu: Name
    link: Literal["nvlink_switch", "nvlink_direct", "pcie4", "pcie5", "c2c", "memory"]
    copy: Literal["pull", "push", "to_gpu", "from_gpu", "within"]
    ways: Literal["alone", "both"]
    bytes_per_s: Annotated[float, Meta(gt=0, le=1e15)]
    tolerance: Annotated[float, Meta(gt=0, lt=1)]
    date: date
    source: Source

    @property
    def lowest_bytes_per_s(self) -> float:
        """The slowest rate of a healthy machine."""
        return self.bytes_per_s * (1 - self.tolerance)

    def fits(self, gpu: str, rate: Rate) -> bool:
        """Whether it is of the same kind as a measured rate.

        Args:
            gpu: The name that the driver gives the GPU.
            rate: What was measured.
        """
        words = re.split(r"[ -]", gpu)
        if self.gpu not in words or (_ENDS[self.link] == "peer" and _WITHOUT_SWITCH & set(words)):
            return False
        return (_ENDS[self.link], self.copy, self.ways) == (rate.ends, rate.copy, rate.ways)


@functools.cache
def references() -> tuple[Reference, ...]:
    """The whole table."""
    return tuple(convert(read_yaml(str(TABLE), "references"), list[Reference], str(TABLE), "references"))
