"""Full tables: Parquet files of an aiconfigurator checkout or of an installed `aiconfigurator_core` or `aisimulate`.

`SYSTEMS/query_versions.yaml` names the current version of each engine, `SYSTEMS/GPU.yaml` the peak rates, and the
rows of an operation lie in `SYSTEMS/data/GPU/FAMILY/ENGINE/VERSION/FILE.parquet`. Times are in milliseconds there, in
microseconds for DeepEP exchanges. Where a file has a key twice, its first row counts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dwdp_sim.base.arrays import Ints
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import read_yaml
from dwdp_sim.silicon.curves import Curve
from dwdp_sim.silicon.roofs import Gpu
from dwdp_sim.silicon.table import NCCL, Source, Table

KEY = "compute.tables"
_VERSIONS = "query_versions.yaml"
_PACKAGES = ("aiconfigurator_core", "aisimulate")
_DEEPEST = 5  # folders between a checkout and its systems


class _Form(NamedTuple):
    """A file of rows: where it lies and which columns hold what; a column may be missing where the text is empty."""

    op: str
    file: str
    kernel: str
    dtype: str
    detail: str
    shape: tuple[str, ...]
    x: str
    per_s: float = 1e3  # units of latency in a second


_ATTENTION = ("num_key_value_heads", "head_dim", "window_size", "num_heads", "batch_size")
_EXCHANGE = ("hidden_size", "num_experts", "topk")
_FORMS = (
    _Form("gemm", "gemm/*/gemm_perf", "kernel_source", "gemm_dtype", "", ("n", "k"), "m"),
    _Form(
        "moe",
        "moe/*/moe_perf",
        "kernel_source",
        "moe_dtype",
        "distribution",
        ("hidden_size", "inter_size", "num_experts", "topk", "moe_ep_size"),
        "num_tokens",
    ),
    _Form("mla", "mla/*/context_mla_perf", "kernel_source", "mla_dtype", "kv_cache_dtype", _ATTENTION[3:], "isl"),
    _Form(
        "mla_module",
        "mla/*/mla_context_module_perf",
        "kernel_source",
        "gemm_type",
        "kv_cache_dtype",
        _ATTENTION[3:],
        "isl",
    ),
    _Form(
        "gqa", "attention/*/context_attention_perf", "kernel_source", "attn_dtype", "kv_cache_dtype", _ATTENTION, "isl"
    ),
    _Form(
        "a2a",
        "comm/*/trtllm_alltoall_perf",
        "kernel_source",
        "moe_dtype",
        "op_name",
        (*_EXCHANGE, "moe_ep_size"),
        "num_tokens",
    ),
    _Form(
        "a2a", "comm/*/moe_a2a_perf", "comm_backend", "comm_dtype", "phase", (*_EXCHANGE, "ep_size"), "num_tokens", 1e6
    ),
    _Form("nccl", "comm/*/nccl_perf", "kernel_source", "nccl_dtype", "op_name", ("num_gpus",), "message_size"),
)


@dataclass(frozen=True)
class Checkout:
    """A folder of systems.

    Attributes:
        systems: The folder that holds `query_versions.yaml`, one YAML file a GPU, and `data`.
        version: Version of the engine to read; None reads the one that the folder calls current.
    """

    systems: Path
    version: str | None = None

    def gpus(self) -> dict[str, Gpu]:
        """Peak rates by GPU, named as in this project (`b200`, not `b200_sxm`)."""
        files = sorted(file for file in self.systems.glob("*.yaml") if (self.systems / "data" / file.stem).is_dir())
        return {gpu.name: gpu for gpu in map(_read_gpu, files)}

    def tables(self, op: str, gpu: Gpu, backend: str) -> tuple[Table, ...]:
        """Every table of an operation; none where the folder has no such file.

        Raises:
            ConfigError: The version is not there, a file is corrupt, or pyarrow is missing.
        """
        tables: list[Table] = []
        for form in _FORMS:
            file = self._file(form, gpu, backend) if form.op == op else None
            if file:
                tables += _read_tables(file, form, gpu.name, backend)
        return tuple(tables)

    def _file(self, form: _Form, gpu: Gpu, backend: str) -> Path | None:
        """The wanted version's file; communication has versions of its own, so the newest counts there."""
        folder = self.systems / "data" / self._stem(gpu.name)
        files = sorted(folder.glob(f"{form.file.replace('*', f'{backend}/*')}.parquet"), key=_version_key)
        by_version = {file.parent.name: file for file in files}
        if not files:
            return None
        if backend == NCCL:
            return by_version.get(gpu.nccl_version)
        if form.op == "a2a":
            return files[-1]
        if self.version and self.version not in by_version:
            raise ConfigError("compute.version", self.version, f"{form.op} of {gpu.name} has: {', '.join(by_version)}")
        return by_version.get(self.version or self._current(self._stem(gpu.name), backend), files[-1])

    def _stem(self, gpu: str) -> str:
        return f"{gpu}_sxm" if (self.systems / f"{gpu}_sxm.yaml").is_file() else gpu

    def _current(self, stem: str, backend: str) -> str:
        content = read_yaml(str(self.systems / _VERSIONS), KEY)
        try:
            versions = {**content["defaults"], **content.get("overrides", {}).get(stem, {})}
            return str(versions[backend]["current"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ConfigError(KEY, self.systems / _VERSIONS, f"names no current version of {backend}") from error


def find_systems(folder: str | None) -> Path:
    """The folder of systems in a checkout or wheel, or in an installed package.

    Args:
        folder: The checkout, the unpacked wheel, or a folder inside; None looks for an installed package.

    Raises:
        ConfigError: There is none.
    """
    if folder is not None:
        try:
            for depth in range(_DEEPEST):
                if found := sorted(Path(folder).glob("*/" * depth + _VERSIONS)):
                    return found[0].parent
        except OSError as error:  # such as a name that is too long
            raise ConfigError(KEY, folder, f"cannot be read: {error.strerror}") from error
        raise ConfigError(KEY, folder, f"holds no {_VERSIONS}; a checkout or wheel of aiconfigurator is wanted")
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            if (Path(place) / "systems" / _VERSIONS).is_file():
                return Path(place) / "systems"
    allowed = "no installed package has them: pip install 'dwdp-toolkit[silicon]', or give a checkout's folder"
    raise ConfigError(KEY, "installed", allowed)


def _version_key(file: Path) -> tuple[tuple[int, ...], str]:
    """Sorts 1.3.0rc9 before 1.3.0rc20, by the numbers in a version."""
    version = file.parent.name
    digits = "".join(c if c.isdigit() else " " for c in version).split()
    return tuple(int(part) for part in digits), version


def _read_gpu(file: Path) -> Gpu:
    content = read_yaml(str(file), KEY)
    try:
        gpu, misc = content["gpu"], content.get("misc") or {}
        return Gpu(
            name=file.stem.removesuffix("_sxm"),
            flops={
                unit: float(gpu[f"{unit}_tc_flops"])
                for unit in ("bfloat16", "fp8", "fp4")
                if gpu.get(f"{unit}_tc_flops")
            },
            memory_bytes_per_s=float(gpu["mem_bw"]),
            memory_share=float(gpu["mem_bw_empirical_scaling_factor"]),
            launch_s=float(gpu["mem_empirical_constant_latency"]),
            link_bytes_per_s=float(content["node"]["intra_node_bw"]),
            nccl_version=str(misc.get("nccl_version", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(KEY, file, f"is no description of a GPU: {error!r}") from error


def _read_tables(file: Path, form: _Form, gpu: str, backend: str) -> list[Table]:
    """The tables of one file: its rows by kernel, format and detail, each with its curves in the order of the file."""
    columns = _read_columns(file, form)
    texts = np.stack([columns[name] for name in (form.kernel, form.dtype, form.detail)])
    numbers = np.stack([columns[name] for name in (*form.shape, form.x)]).astype(np.int64)
    if form.op == "gqa":
        numbers[0][numbers[0] == numbers[3]] = 0  # as many key heads as query heads
    if form.op == "moe":
        kept = columns["moe_tp_size"] == 1
        texts, numbers = texts[:, kept], numbers[:, kept]
        columns = {**columns, "latency": columns["latency"][kept]}
    seconds = columns["latency"].astype(np.float64) / form.per_s
    version = file.parent.name
    tables: dict[tuple[str, ...], dict[tuple[int, ...], Curve]] = {}
    for rows in _groups(numbers[:-1], texts):
        x, first = np.unique(numbers[-1][rows], return_index=True)
        shape = tuple(numbers[:-1, rows[0]].tolist())
        tables.setdefault(tuple(texts[:, rows[0]].tolist()), {})[shape] = Curve(x, seconds[rows[first]])
    return [Table(Source(gpu, backend, form.op, version, *map(str, names)), curves) for names, curves in tables.items()]


def _read_columns(file: Path, form: _Form) -> Mapping[str, Any]:
    """Columns as arrays; a text column as integers would lose its meaning, so texts stay objects."""
    try:
        import pyarrow  # noqa: PLC0415 - a third of a second, and only for full tables
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(KEY, file, "needs pyarrow: pip install pyarrow") from error
    names = {form.kernel, form.dtype, form.detail, *form.shape, form.x, "latency"} - {""}
    names |= {"moe_tp_size"} if form.op == "moe" else set()
    try:
        content = pyarrow.parquet.read_table(file, columns=sorted(names))
        columns = {name: content[name].to_numpy() for name in names}
    except (OSError, KeyError, pyarrow.ArrowException) as error:
        allowed = f"is no table of {form.op} or is damaged; fetch it anew (Git LFS keeps only pointers): {error}"
        raise ConfigError(KEY, file, allowed) from error
    return {**columns, "": np.full(len(columns["latency"]), "")}


def _groups(numbers: Ints, texts: Any) -> list[Ints]:
    """Rows that agree in all numbers and texts, groups and rows in the order of the file."""
    codes = [np.unique(column.astype(str), return_inverse=True)[1] for column in texts]
    columns = np.stack([*codes, *numbers])
    order = np.lexsort(columns)  # stable, so the rows of a group stay in order
    ordered = columns[:, order]
    starts = np.flatnonzero(np.r_[True, (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)])
    return sorted(np.split(order, starts[1:]), key=lambda rows: int(rows[0]))
