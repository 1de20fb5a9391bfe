"""Published outputs of nvbandwidth beside what the harness model predicts of them.

A machine gives its pair rows and how it is linked; every other row is predicted. The loss of both directions at once is
the median over the *other* machines, so that no row is predicted from itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from dwdp_sim.nvbandwidth.harness import TESTCASES, Testcase
from dwdp_sim.nvbandwidth.machine import Machine, predict_bytes_per_s

_PAIR = "device_to_device_memcpy_{}_ce"
_OWN_STREAMS = "which of its own streams a GPU's engine serves first has not been measured"
_KERNEL = "a copy kernel on the GPU's processors, no copy engine"


@dataclass(frozen=True)
class PublishedRow:
    """One published figure.

    Attributes:
        machine: Which machine.
        gpus: Number of its GPUs.
        testcase: nvbandwidth's name.
        sum_gb_per_s: nvbandwidth's SUM, in GB/s.
        entries: How many figures the sum has.
        lowest_gb_per_s: The lowest of them, where all were published.
        buffer_bytes: Bytes of a copy.
        loop_count: Timed copies of a stream.
        driver: Of the GPUs, where published.
        version: Of nvbandwidth.
        source: Where it was published.
        does_not_fit: Why it is shown and not counted; empty for a row that the model claims.
    """

    machine: str
    gpus: int
    testcase: str
    sum_gb_per_s: float
    entries: int
    lowest_gb_per_s: float
    buffer_bytes: int
    loop_count: int
    driver: str
    version: str
    source: str
    does_not_fit: str

    @property
    def gb_per_s(self) -> float:
        """Mean of the figures, in GB/s."""
        return self.sum_gb_per_s / self.entries


@dataclass(frozen=True)
class Compared:
    """A published row and its prediction.

    Attributes:
        row: As published.
        pair_gb_per_s: The machine's pair row of the same kind (read or write, copy engine or kernel).
        low_gb_per_s, high_gb_per_s: The prediction; they differ where the model gives a range.
        why_not: Why the row is shown and not counted; empty for a row that is counted.
    """

    row: PublishedRow
    pair_gb_per_s: float
    low_gb_per_s: float | None
    high_gb_per_s: float | None
    why_not: str

    @property
    def error(self) -> float | None:
        """Predicted ÷ published − 1: 0 inside a range, from its nearer end outside; None if nothing is predicted."""
        if self.low_gb_per_s is None or self.high_gb_per_s is None:
            return None
        nearest = min(max(self.row.gb_per_s, self.low_gb_per_s), self.high_gb_per_s)
        return nearest / self.row.gb_per_s - 1.0


def published_dir() -> Path:
    """The folder of published rows: the source tree's `measurements/published`, or the copy in an installed package."""
    package = Path(__file__).resolve().parents[1]
    source = package.parent / "measurements" / "published"
    return source if source.is_dir() else package / "published_rows"


def read_published(folder: Path) -> list[PublishedRow]:
    """The rows of `nvbandwidth.jsonl` in `folder`."""
    lines = (folder / "nvbandwidth.jsonl").read_text(encoding="utf-8").splitlines()
    return [_row(json.loads(line)) for line in lines]


def _row(given: Mapping[str, Any]) -> PublishedRow:
    return PublishedRow(
        machine=given["machine"],
        gpus=given["gpus"],
        testcase=given["testcase"],
        sum_gb_per_s=given["sum_gb_per_s"],
        entries=given["entries"],
        lowest_gb_per_s=given.get("lowest_gb_per_s", given["sum_gb_per_s"] / given["entries"]),
        buffer_bytes=given["buffer_mib"] << 20,
        loop_count=given["loop_count"],
        driver=given.get("driver", ""),
        version=given["version"],
        source=given["source"],
        does_not_fit=given.get("does_not_fit", ""),
    )


def read_links(folder: Path) -> dict[str, dict[str, Any]]:
    """How each machine is linked, from `links.json` in `folder`."""
    links: dict[str, dict[str, Any]] = json.loads((folder / "links.json").read_text(encoding="utf-8"))
    return links


def compare(folder: Path) -> list[Compared]:
    """Every published row of `folder` that is no input, beside its prediction."""
    return compare_rows(read_published(folder), read_links(folder))


def compare_rows(rows: list[PublishedRow], links: Mapping[str, Mapping[str, Any]]) -> list[Compared]:
    """Every one of `rows` that is no input, beside its prediction."""
    inputs = [f"device_to_device_memcpy_{kind}_{by}" for kind in ("read", "write") for by in ("ce", "sm")]
    return [_compare(row, rows, links[row.machine]) for row in rows if row.testcase not in inputs]


def _compare(row: PublishedRow, rows: list[PublishedRow], link: Mapping[str, Any]) -> Compared:
    kind = "read" if "read" in row.testcase else "write"
    if row.testcase not in TESTCASES:
        pair = _find(rows, row.machine, f"device_to_device_memcpy_{kind}_sm")
        return Compared(row, pair.gb_per_s, None, None, _KERNEL)
    testcase = TESTCASES[row.testcase]
    machine = machine_of(row, rows, link)
    figures = [_predict(machine, testcase, row)]
    if own_streams := testcase.pattern == "one_to_all" and not testcase.is_read:
        figures.append(_predict(machine, testcase, row, clock_last=True))
    pair = _find(rows, row.machine, _PAIR.format(kind))
    why_not = row.does_not_fit or (_OWN_STREAMS if own_streams else "")
    return Compared(row, pair.gb_per_s, min(figures), max(figures), why_not)


def _predict(machine: Machine, testcase: Testcase, row: PublishedRow, *, clock_last: bool = False) -> float:
    return predict_bytes_per_s(machine, testcase, row.loop_count, clock_last=clock_last) / 1e9


def _find(rows: Iterable[PublishedRow], machine: str, testcase: str) -> PublishedRow:
    """The row of `machine`; where it has none of a pair's read, its write, which is all that is known of it."""
    own = {row.testcase: row for row in rows if row.machine == machine}
    return own[testcase] if testcase in own else own[testcase.replace("read", "write")]


def machine_of(row: PublishedRow, rows: list[PublishedRow], link: Mapping[str, Any]) -> Machine:
    """The machine of `row`, from its pair rows, its links, and the loss both ways of other machines."""
    read, write = (_find(rows, row.machine, _PAIR.format(kind)) for kind in ("read", "write"))
    return Machine(
        name=row.machine,
        gpus=row.gpus,
        links=link["links"],
        nominal_bytes_per_s=link["nominal_gb_per_s"] * 1e9,
        buffer_bytes=row.buffer_bytes,
        read_bytes_per_s=read.gb_per_s * 1e9,
        write_bytes_per_s=write.gb_per_s * 1e9,
        lowest_read_bytes_per_s=read.lowest_gb_per_s * 1e9,
        lowest_write_bytes_per_s=write.lowest_gb_per_s * 1e9,
        both_ways_loss=both_ways_loss(rows, row.machine),
    )


def both_ways_loss(rows: list[PublishedRow], machine: str) -> float:
    """Share that a direction loses while the other one is in use: median over the machines other than `machine`.

    Reads and writes together: in one process the source's engine executes both.
    """
    losses = []
    for row in rows:
        if row.machine != machine and "bidirectional" in row.testcase and row.testcase in TESTCASES:
            pair = _find(rows, row.machine, _PAIR.format("read" if "read" in row.testcase else "write"))
            directions = 2 if TESTCASES[row.testcase].value == "sum" else 1
            losses.append(1.0 - row.gb_per_s / (directions * pair.gb_per_s))
    return median(losses)


@dataclass(frozen=True)
class Summary:
    """How well the counted rows are predicted."""

    rows: int
    machines: int
    median_error: float
    largest_error: float


def summarize(compared: Iterable[Compared]) -> Summary:
    """Size of the errors of the counted rows."""
    counted = [one for one in compared if not one.why_not]
    errors = [abs(one.error) for one in counted if one.error is not None]
    return Summary(len(errors), len({one.row.machine for one in counted}), median(errors), max(errors))
