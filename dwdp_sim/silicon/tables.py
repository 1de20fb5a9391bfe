"""Find measured tables: those that ship with the project, or all of a checkout or an installed package."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from dwdp_sim.base.errors import ConfigError, check_choice, shorten
from dwdp_sim.silicon.checkout import Checkout, find_systems
from dwdp_sim.silicon.not_measured import NotMeasuredError
from dwdp_sim.silicon.preset_file import FILE, read_presets
from dwdp_sim.silicon.roofs import Gpu
from dwdp_sim.silicon.table import Table

BACKENDS = ("trtllm", "sglang")


@dataclass(frozen=True, eq=False)
class Tables:
    """Measured kernel times of several GPUs and engines.

    Attributes:
        origin: What these tables are, for a provenance.
        gpus: Peak rates by name.
        load: Gives the tables of an operation, a GPU and an engine (`nccl` for its collectives).
    """

    origin: str
    gpus: Mapping[str, Gpu]
    load: Callable[[str, str, str], tuple[Table, ...]]

    @staticmethod
    def presets() -> Tables:
        """The tables of the project's models and machines, which ship with it; read once a process.

        Raises:
            ConfigError: The file is missing or damaged.
        """
        return _presets()

    @staticmethod
    def read(folder: str | None, gpu: str, backend: str, version: str | None = None) -> Tables:
        """All tables of a checkout, an unpacked wheel, or (None) an installed package; files are read when needed.

        Args:
            folder: The checkout's folder.
            gpu: The GPU that will be asked for.
            backend: The engine that will be asked for.
            version: Its version; None takes the one that the folder calls current.

        Raises:
            ConfigError: Nothing is installed there, or the GPU, the engine or the version is not among it.
        """
        checkout = Checkout(find_systems(folder), version)
        gpus = checkout.gpus()

        @functools.cache
        def load(op: str, name: str, engine: str) -> tuple[Table, ...]:
            return checkout.tables(op, gpus[name], engine) if name in gpus else ()

        tables = Tables(str(checkout.systems), gpus, load)
        if not tables.on(gpu, backend).of("gemm"):
            raise ConfigError("compute.backend", backend, f"has no tables for {gpu} in {checkout.systems}")
        return tables

    def on(self, gpu: str, backend: str) -> Kernels:
        """The tables of one GPU and engine.

        Raises:
            ConfigError: The engine is unknown.
            NotMeasuredError: The GPU is.
        """
        check_choice("compute.backend", backend, BACKENDS)
        name = gpu.lower().removesuffix("_sxm")
        if name not in self.gpus:
            lacking = f"no measured kernels of {shorten(gpu)} here, only of {', '.join(self.gpus)}"
            remedy = "others may be in compute.tables=installed (pip install 'dwdp-toolkit[silicon]')"
            raise NotMeasuredError("compute.gpu", gpu, lacking, remedy)
        return Kernels(self, self.gpus[name], backend)


@dataclass(frozen=True)
class Kernels:
    """The measured kernels of one GPU under one engine; what every operation is asked of.

    Attributes:
        tables: All tables, since an operation may have to borrow from another machine.
        gpu: The GPU.
        backend: The engine.
    """

    tables: Tables
    gpu: Gpu
    backend: str

    def of(self, op: str, dtype: str | None = None, detail: str | None = None) -> tuple[Table, ...]:
        """The tables of an operation, of a format and a detail if given; perhaps none."""
        found = self.tables.load(op, self.gpu.name, self.backend)
        return tuple(
            table for table in found if dtype in (None, table.source.dtype) and detail in (None, table.source.detail)
        )

    def need(self, op: str, dtype: str, detail: str | None = None) -> tuple[Table, ...]:
        """The same, at least one.

        Raises:
            NotMeasuredError: There is none.
        """
        found = self.of(op, dtype, detail)
        if not found:
            self.refuse(op, dtype if detail is None else f"{dtype} with {detail}")
        return found

    def refuse(self, op: str, what: str) -> NoReturn:
        """Say that the tables lack something.

        Raises:
            NotMeasuredError: Always.
        """
        lacking = f"no measured {op} of {what} on {self.gpu.name} with {self.backend}"
        raise NotMeasuredError("compute.tables", self.tables.origin, lacking, "take a roofline, compute=sol")


@functools.cache
def _presets() -> Tables:
    tables, gpus, about = read_presets(FILE)
    by_place: dict[tuple[str, str, str], list[Table]] = {}
    for table in tables:
        by_place.setdefault((table.source.op, table.source.gpu, table.source.backend), []).append(table)
    frozen = {place: tuple(found) for place, found in by_place.items()}
    return Tables(about["origin"], gpus, lambda op, gpu, backend: frozen.get((op, gpu, backend), ()))
