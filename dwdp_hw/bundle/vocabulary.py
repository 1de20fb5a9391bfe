"""The texts that a bundle may hold: words of this project, the kind of a GPU, and versions."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec.inspect

from dwdp_hw.calibration.relative_costs import RELATIVE_COSTS, UNIT
from dwdp_hw.cases.campaign import one_gpu_cases, peer_cases
from dwdp_hw.cases.case import MEASURES, WINDOWS
from dwdp_hw.cases.incast import FEWEST_GPUS, incast_cases
from dwdp_hw.executors.cuda.issue import ISSUES
from dwdp_hw.executors.cuda.nvml import SLOWDOWNS
from dwdp_hw.rows.schema import MOST_GPUS, WARNINGS, MeasuredRow
from dwdp_hw.validation.live import calibration_cases, relative_cost_cases, validation_cases
from dwdp_sim.api.presets import load_cluster, presets
from dwdp_sim.fabric.cluster import MAPPINGS, Cluster
from dwdp_sim.fabric.constant import PROVENANCES
from dwdp_sim.plan.endpoints import HOMES
from dwdp_sim.plan.engines import IMPLEMENTATIONS
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.program import ISSUE_MODES

UNSTABLE = "its own runs say nothing"
"""Why a round does not count, in a bundle."""

_MOST_CASE_GPUS = 16  # of one host; cases of more have numbers

_GPU = re.compile(
    r"(NVIDIA |Tesla )?(GH|GB|[ABHLTV])\d{2,4}([ -](NVL|PCIe|PCIE|SXM\d?|HBM\d?e?|\d{1,3}GB)){0,4}", re.ASCII
)
_DRIVER = re.compile(r"\d{3}\.\d{1,3}(\.\d{1,2})?", re.ASCII)
_VERSION = re.compile(r"\d{1,2}\.\d{1,2}(\.\d{1,2})?", re.ASCII)
_LINK = re.compile(r"PCIe Gen[3-7] x(4|8|16)", re.ASCII)


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _up_to(most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 0 < value <= most


WARNED = "NVML spoke against this machine"
"""In place of what it said."""

MACHINE: Mapping[str, Callable[[Any], bool]] = {
    "gpu": _matches(_GPU),
    "gpus": _up_to(MOST_GPUS),
    "driver": _matches(_DRIVER),
    "cuda_driver": _up_to(99_999),
    "cuda_runtime": _up_to(99_999),
    "cuda_bindings": _matches(_VERSION),
    "async_engines": _up_to(99),
    "visible_gpus": ("all", "one per rank").__contains__,
    "host_link": _matches(_LINK),
    "python": _matches(_VERSION),
    WARNINGS: [WARNED].__eq__,
}
"""The metadata of a machine that a bundle keeps, and what each may be. Whatever else a file says of it is left out."""

OWN_ROWS = "rows of this bundle"
"""The source of a constant that was fitted on them."""


@functools.cache
def row_words() -> Mapping[str, Collection[str]]:
    """The texts that a field of a row may hold, but for its case; of a longer one the part before a colon is kept."""
    return {
        "measure": MEASURES,
        "home": HOMES,
        "mapping": MAPPINGS,
        "issue_mode": ISSUE_MODES,
        "issue": ("async", "batch"),
        "issued_as": ISSUES,
        "path": ("cudaMemcpyAsync", "cuMemcpyBatchAsync, C arrays", "cudaMemcpyBatchAsync, Python lists"),
        "window": WINDOWS,
        "strategy": tuple(STRATEGIES),
        "implementation": tuple(IMPLEMENTATIONS),
        "model": tuple(presets("model")),
        "over_nvlink": ("yes", "not over NVLink", "unknown"),
        "slowdowns": tuple(SLOWDOWNS.values()),
        "unstable_reason": (UNSTABLE,),
    }


@functools.cache
def case_names(gpus: int) -> frozenset[str]:
    """The names of this project's cases on a machine with so many GPUs."""
    if gpus > _MOST_CASE_GPUS:
        return frozenset()
    cases = [*calibration_cases(gpus), *relative_cost_cases(gpus), *validation_cases(gpus)]
    cases += [*(peer_cases(gpus) if gpus > 1 else one_gpu_cases())]
    if gpus >= FEWEST_GPUS:
        cases += [case for block in incast_cases(gpus, 1) for case in block]
    return frozenset(case.name for case in cases)


@functools.cache
def row_keys() -> frozenset[str]:
    """Every key that may stand somewhere in a row."""
    return frozenset([*_field_names(msgspec.inspect.type_info(MeasuredRow), set()), *ISSUES])


def _field_names(kind: Any, seen: set[int]) -> Iterator[str]:
    """Names of the fields of a type and of all types in it."""
    if id(kind) in seen:
        return
    seen.add(id(kind))
    for field in getattr(kind, "fields", ()):
        yield field.encode_name
        yield from _field_names(field.type, seen)
    inner = [*getattr(kind, "types", ()), *getattr(kind, "item_types", ())]
    inner += [getattr(kind, name) for name in ("item_type", "value_type") if hasattr(kind, name)]
    for one in inner:
        yield from _field_names(one, seen)


@functools.cache
def shipped_clusters() -> tuple[Cluster, ...]:
    """The clusters of `conf/`."""
    return tuple(map(load_cluster, presets("cluster")))


@functools.cache
def constant_names() -> frozenset[str]:
    """Names of the constants that clusters of this project have."""
    shipped = [name for cluster in shipped_clusters() for name in cluster.constants]
    return frozenset([*shipped, *RELATIVE_COSTS.values()])


@functools.cache
def constant_texts() -> frozenset[str]:
    """Texts in constants of this project's clusters: values that are words, units, directions and sources."""
    found = {OWN_ROWS, *PROVENANCES, *MAPPINGS, UNIT}
    for cluster in shipped_clusters():
        for constant in cluster.constants.values():
            found |= {constant.unit, constant.source, constant.direction}
            found |= {constant.value} if isinstance(constant.value, str) else set()
    return frozenset(found)
