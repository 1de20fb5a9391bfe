"""Hand the jobs of a sweep to its workers, in a file of plain data whose digest they know: others may write to it.

It is MessagePack, since JSON has neither whole numbers as keys nor infinity; what has more than 64 bits is its digits,
so that the job it belongs to can fail and say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.job.schema import SimConfig
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.own_file import read_own

_DIGITS = 1  # MessagePack's number for what an application adds


def write_jobs(path: Path, jobs: Sequence[Asked]) -> str:
    """Write jobs, with every part that their configurations share once.

    Returns:
        The file's SHA-256.

    Raises:
        OSError: It cannot be written.
    """
    parts: dict[str, list[Any]] = {field.name: [] for field in fields(SimConfig)}
    places: dict[tuple[str, int], int] = {}
    lines = []
    for asked in jobs:
        for name, known in parts.items():
            part = getattr(asked.config, name)
            if (name, id(part)) not in places:
                places[name, id(part)] = len(known)
                known.append(part)
        at = [places[name, id(getattr(asked.config, name))] for name in parts]
        lines.append([asked.job, asked.asked_hash, asked.overrides, at])
    plain = {name: [_packable(msgspec.to_builtins(part)) for part in known] for name, known in parts.items()}
    content = msgspec.msgpack.encode({"parts": plain, "jobs": lines})
    write_whole(path, lambda temporary: temporary.write_bytes(content))
    return hashlib.sha256(content).hexdigest()


def load_jobs(path: Path, sha256: str) -> list[Asked]:
    """Read what `write_jobs` wrote.

    Raises:
        OSError: It cannot be read, or is not what was written.
    """
    content = read_own(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise OSError(None, "is not what the sweep wrote", str(path))
    found = msgspec.msgpack.decode(content, ext_hook=lambda _, digits: int(bytes(digits)))
    types = get_type_hints(SimConfig)
    parts = {name: [msgspec.convert(part, types[name]) for part in known] for name, known in found["parts"].items()}
    jobs = []
    for job, asked_hash, overrides, at in found["jobs"]:
        config = SimConfig(**{name: known[place] for (name, known), place in zip(parts.items(), at, strict=True)})
        jobs.append(Asked(job, asked_hash, tuple(overrides), config))
    return jobs


def _packable(value: Any) -> Any:
    """The value with its large whole numbers as digits."""
    if isinstance(value, dict):
        return {name: _packable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_packable(part) for part in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return msgspec.msgpack.Ext(_DIGITS, str(value).encode())
    return value
