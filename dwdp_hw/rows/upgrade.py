"""Bring rows of older formats to the present one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict

from dwdp_hw.rows.schema import FORMAT, Gpu, Job, MeasuredRow, Spread
from dwdp_hw.rows.streams_codec import Pieces, unfold_pieces
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.typed_file import convert

_LARGEST_SPREAD = 0.10  # (max − min) ÷ median, for rows that do not say themselves whether they are stable


def upgraded(rows: Sequence[dict[str, Any]], number: int, path: str) -> list[MeasuredRow]:
    """Convert rows of the file `path`, which has format `number`, to the present format.

    Raises:
        ConfigError: The format is from the future, or a row is not as its format has it.
    """
    if not 1 <= number <= FORMAT:
        raise ConfigError("rows", path, f"has format {number}; this version reads 1 to {FORMAT}")
    if number == 1:
        timed = [(place, row) for place, row in enumerate(rows) if row.get("device_us")]  # others time no copies
        rows = [_from_1(row, path, f"rows[{place}]") for place, row in timed]
    return convert(list(rows), list[MeasuredRow], path, "rows", at="rows")  # formats 3 to 6 add what may be missing


class _TimedOf1(TypedDict):
    """What format 2 learns of a row of format 1."""

    device_us: list[Spread]
    jobs: NotRequired[list[_JobOf1]]


class _JobOf1(TypedDict):
    gpu: Gpu
    peer: Gpu
    kind: Literal["pull", "push"]
    issue: str
    copies_bytes: list[Pieces]


def _from_1(row: dict[str, Any], path: str, at: str) -> dict[str, Any]:
    """Format 2 says what a row measures and whether it is stable, and gives the calls of jobs; it times copies only."""
    known = {name: value for name, value in row.items() if name in MeasuredRow.__annotations__}
    timed = {name: row[name] for name in ("device_us", "jobs") if name in row}
    old = convert(timed, _TimedOf1, path, "rows", at=at)
    if "stable" not in row:
        spread = max((t["max"] - t["min"]) / t["median"] if t["median"] > 0.0 else math.inf for t in old["device_us"])
        wide = spread > _LARGEST_SPREAD
        said = f"(max − min) ÷ median is {spread:.0%}, above {_LARGEST_SPREAD:.0%}" if wide else None
        known |= {"stable": not wide, "unstable_reason": said}
    if "jobs" in old:
        known["jobs"] = [_with_calls(job) for job in old["jobs"]]
    return {"measure": "layer", "start_skew_us": None, "unstable_reason": None, **known}


def _with_calls(job: _JobOf1) -> Job:
    own, peer = f"gpu{job['gpu']}", f"gpu{job['peer']}"
    src, dst = (peer, own) if job["kind"] == "pull" else (own, peer)
    calls = unfold_pieces(job["copies_bytes"], job["issue"], src, dst)
    return {"gpu": job["gpu"], "issue": job["issue"], "calls": calls}
