"""Recorded hardware rows as programs: what was run, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwdp_sim.errors import ConfigError
from dwdp_sim.program import Program
from dwdp_sim.replay import program_from_dict


@dataclass(frozen=True)
class RecordedRow:
    """One measured case.

    Attributes:
        case: Its name.
        program: What ran; one stream for each rank (or job) that was timed.
        queued: Whether host time was kept out of the figures.
        median_s, min_s, max_s: Device time of each stream, in seconds.
    """

    case: str
    program: Program
    queued: bool
    median_s: tuple[float, ...]
    min_s: tuple[float, ...]
    max_s: tuple[float, ...]


def read_recorded(path: str) -> list[RecordedRow]:
    """Read a file of recorded rows (`measurements/README.md` describes the format; its times are microseconds).

    Raises:
        ConfigError: Not such a file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        gpus = int(content["machine"]["gpus"])
        return [_row(row, gpus, path) for row in content["rows"]]
    except ConfigError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError("rows", path, f"not a file of recorded rows: {type(error).__name__} {error}") from error


def _row(row: Mapping[str, Any], gpus: int, path: str) -> RecordedRow:
    queued = bool(row["queued_behind_gate"])
    jobs = row.get("jobs") or [
        {"gpu": rank, "kind": "pull", "peer": 1 - rank, "issue": row["issue"], "copies_bytes": row["copies_bytes"]}
        for rank in range(row["ranks_pulling"])
    ]
    streams = [{"gpu": job["gpu"], "queued": queued, "calls": _calls(job)} for job in jobs]
    times = row["device_us"]
    if len(times) != len(streams):
        raise ConfigError("rows", path, f"case {row['case']}: {len(times)} times for {len(streams)} streams")
    median, low, high = (tuple(time[name] * 1e-6 for time in times) for name in ("median", "min", "max"))
    return RecordedRow(row["case"], program_from_dict({"streams": streams}, gpus, path), queued, median, low, high)


def _calls(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    own, peer = f"gpu{job['gpu']}", f"gpu{job['peer']}"
    src, dst = (peer, own) if job["kind"] == "pull" else (own, peer)
    pieces = _pieces(job["copies_bytes"])
    if job["issue"] == "batch":
        copies = [{"src": src, "dst": dst, "bytes": size, "count": count} for size, count in pieces]
        return [{"issue": "batch", "copies": copies}]
    return [{"issue": "async", "src": src, "dst": dst, "bytes": size, "count": count} for size, count in pieces]


def _pieces(copies_bytes: Sequence[Mapping[str, int]]) -> list[tuple[int, int]]:
    """(bytes, count) in issue order: n − 1 pieces of `each` bytes and one of `last`, for each parameter."""
    pieces = []
    for parameter in copies_bytes:
        if parameter["n"] > 1:
            pieces.append((parameter["each"], parameter["n"] - 1))
        pieces.append((parameter["last"], 1))
    return pieces
