"""The file of the tables that ship with the project: its layout, written and read.

An npz archive. `sources` names the tables (fields of `Source` with bars between them); each curve has its table in
`of`, its shape in `shape` (padded with −1) and its first row in `start`; rows are `x` and the four bytes of
`latency_ms` as float32, one plane for each byte, which compresses better. `about` is JSON: attribution and the GPUs'
peak rates.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.silicon.curves import Curve
from dwdp_sim.silicon.roofs import Gpu
from dwdp_sim.silicon.table import Source, Table

FILE = Path(__file__).with_name("presets.npz")
_LAYOUT = "dwdp-silicon-1"
_SHAPE_SIZES = 5
_EPOCH = (1980, 1, 1, 0, 0, 0)  # so that the same tables make the same bytes


def write_presets(path: Path, tables: Sequence[Table], gpus: Sequence[Gpu], about: Mapping[str, str]) -> None:
    """Write tables, peak rates and attribution; the same ones make the same bytes."""
    curves = [(index, shape, curve) for index, table in enumerate(tables) for shape, curve in table.curves.items()]
    latency_ms = np.concatenate([curve.seconds for _, _, curve in curves]) * 1e3
    content = {**about, "layout": _LAYOUT, "gpus": [asdict(gpu) for gpu in gpus]}
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(content)),
        "sources": np.array(["|".join(table.source) for table in tables]),
        "of": np.array([index for index, _, _ in curves], dtype=np.int16),
        "shape": np.array([[*shape, *[-1] * (_SHAPE_SIZES - len(shape))] for _, shape, _ in curves], dtype=np.int32),
        "start": np.cumsum([0] + [len(curve.x) for _, _, curve in curves[:-1]]).astype(np.int32),
        "x": np.concatenate([curve.x for _, _, curve in curves]).astype(np.int32),
        "latency_ms": np.ascontiguousarray(latency_ms.astype("<f4").view(np.uint8).reshape(-1, 4).T),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue(), compresslevel=9)


def read_presets(path: Path) -> tuple[list[Table], dict[str, Gpu], dict[str, str]]:
    """Read tables, GPUs by name, and attribution.

    Raises:
        ConfigError: The file is missing, corrupt, or something else.
    """
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        if about.pop("layout") != _LAYOUT:
            raise ValueError("another layout")
        gpus = {gpu["name"]: Gpu(**gpu) for gpu in about.pop("gpus")}
        return _tables(arrays), gpus, about
    except FileNotFoundError as error:
        raise ConfigError("compute.tables", path, "is missing; install the package anew") from error
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        allowed = f"is no file of measured kernel tables or is damaged ({error}); install the package anew"
        raise ConfigError("compute.tables", path, allowed) from error


def _tables(arrays: Mapping[str, Any]) -> list[Table]:
    seconds = np.ascontiguousarray(arrays["latency_ms"].T).view("<f4")[:, 0].astype(np.float64) * 1e-3
    x = arrays["x"].astype(np.int64)
    if not len(x) == len(seconds) > 0 or not np.isfinite(seconds).all() or seconds.min() <= 0:
        raise ValueError("rows and times do not belong together")
    starts = arrays["start"].tolist()
    ends = [*starts[1:], len(x)]
    if starts[0] != 0 or any(start >= end for start, end in zip(starts, ends, strict=True)):
        raise ValueError("curves without rows")
    tables: list[dict[tuple[int, ...], Curve]] = [{} for _ in arrays["sources"]]
    for index, shape, start, end in zip(arrays["of"].tolist(), arrays["shape"].tolist(), starts, ends, strict=True):
        sizes = tuple(size for size in shape if size >= 0)
        tables[index][sizes] = Curve(x[start:end], seconds[start:end])
    return [
        Table(Source(*name.split("|")), curves) for name, curves in zip(arrays["sources"].tolist(), tables, strict=True)
    ]
