"""Predict cases before a machine runs them, and write the predictions down."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from dwdp_hw.cases.campaign import one_gpu_cases, peer_cases
from dwdp_hw.cases.case import Case
from dwdp_hw.cases.incast import incast_cases
from dwdp_hw.cases.program import case_program
from dwdp_hw.cases.start_offsets import DRAWS, drawn_starts_s, program_draws_s
from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.endings import run_command
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.typed_file import convert
from dwdp_sim.base.user_file import read_json
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, Hypothesis, Variant, hypotheses, variants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.workers import workers
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.windows import StepWindows

_FEW_DRAWS, _MANY_COPIES = 3, 3_000  # a long case has that many draws under each hypothesis, for the sake of time
_MOST_PROCESSES = 32  # the longest case alone takes a tenth of all


@dataclass(frozen=True)
class Expectation:
    """Seconds of each pulling rank, for one layer or for a pipeline's step, over draws of the ranks' starts.

    Attributes:
        hypotheses: Those under which it is expected; this case cannot tell them apart.
        draws_s: Shape (draws, ranks).
    """

    hypotheses: tuple[str, ...]
    draws_s: Floats

    @property
    def mean_s(self) -> Floats:
        """Mean of each rank over the draws."""
        return np.asarray(self.draws_s.mean(axis=0))

    @property
    def low_s(self) -> Floats:
        """Lowest time of each rank over the draws."""
        return np.asarray(self.draws_s.min(axis=0))

    @property
    def high_s(self) -> Floats:
        """Highest time of each rank over the draws."""
        return np.asarray(self.draws_s.max(axis=0))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data: the draws, and their summary for readers."""
        times = {name: getattr(self, name).tolist() for name in ("mean_s", "low_s", "high_s", "draws_s")}
        return {"hypotheses": list(self.hypotheses), **times}


_Seconds = Annotated[float, Meta(ge=0, le=1e6)]


class _Written(Struct):
    """What `Expectation.as_dict` returns, less its summary."""

    hypotheses: Annotated[list[str], Meta(min_length=1)]
    draws_s: Annotated[list[Annotated[list[_Seconds], Meta(min_length=1)]], Meta(min_length=1)]


def read_expectations(path: str) -> dict[str, list[Expectation]]:
    """Read predictions by case, as `Expectation.as_dict` gives them; what is configured comes first.

    Raises:
        ConfigError: Not such a file.
    """
    key = "predictions"
    written = convert(read_json(path, key), dict[str, Annotated[list[_Written], Meta(min_length=1)]], path, key)
    uneven = [case for case, found in written.items() if len({len(run) for one in found for run in one.draws_s}) > 1]
    if uneven:
        raise ConfigError(key, path, f"{uneven[0]} has draws of different numbers of ranks")
    return {
        case: [Expectation(tuple(one.hypotheses), np.array(one.draws_s)) for one in found]
        for case, found in written.items()
    }


def expect(
    case: Case, cluster: Cluster, options: FabricOptions, chosen: Sequence[Hypothesis] = (AS_CONFIGURED,)
) -> list[Expectation]:
    """Predict the case under each hypothesis; those that it cannot tell apart share one expectation.

    Every hypothesis meets the same draws of starts; of a long case all but the first meet only the first few of them.

    Raises:
        ConfigError: The cluster lacks a constant that the case needs.
    """
    program = case_program(case)
    found = variants(chosen, program, cluster, options, in_steps=case.pipeline is not None)
    copies = len(program.copy_bytes) * (case.layers if case.pipeline else 1)
    draws = [DRAWS, *[_FEW_DRAWS if copies > _MANY_COPIES else DRAWS] * (len(found) - 1)]
    return [
        Expectation(variant.hypotheses, _draws_s(case, program, variant, most))
        for variant, most in zip(found, draws, strict=True)
    ]


def expected_s(case: Case, cluster: Cluster, options: FabricOptions) -> list[float]:
    """Return the seconds that each pulling rank should need as configured: the mean over draws of the starts.

    Raises:
        ConfigError: The cluster lacks a constant that the case needs.
    """
    means_s: list[float] = expect(case, cluster, options)[0].mean_s.tolist()
    return means_s


def expect_all(
    cases: Sequence[Case], cluster: Cluster, options: FabricOptions, *, every: bool, processes: int = 1
) -> dict[str, list[Expectation]]:
    """Return the expectations of many cases by name.

    Args:
        cases: Of the machine.
        cluster: As configured.
        options: As configured.
        every: Whether under every hypothesis, or as configured only.
        processes: To spread the cases over.

    Raises:
        ConfigError: The cluster lacks a constant that a case needs.
    """
    chosen = hypotheses(cluster, options) if every else [AS_CONFIGURED]
    with workers(min(processes, _MOST_PROCESSES), threads=False) as pool:  # small programs: SimPy runs them
        run = map if pool is None else pool.map
        found = run(partial(_expect, cluster, options, chosen), cases)
        return {case.name: times for case, times in zip(cases, found, strict=True)}


def _expect(cluster: Cluster, options: FabricOptions, chosen: Sequence[Hypothesis], case: Case) -> list[Expectation]:
    return expect(case, cluster, options, chosen)


def _draws_s(case: Case, program: Program, machine: Variant, most: int) -> Floats:
    starts_s = drawn_starts_s(len(program.stream_gpu), machine.options)[:most]
    return program_draws_s(program, machine.constants, machine.options, starts_s, windows=_windows(case))


def _windows(case: Case) -> StepWindows | None:
    """Compute windows of a pipeline's step; None for a single layer."""
    if case.pipeline is None:
        return None
    if not case.pipeline.window_s:
        raise ConfigError("backend.window", case.pipeline.window, "nobody has measured these windows yet")
    moe_s = np.array([[case.pipeline.windows_s(rank, case.layers)] for rank in case.ranks])
    before_s = np.array([[case.pipeline.befores_s(rank, case.layers)] for rank in case.ranks])
    nothing = np.zeros(moe_s.shape[:2])
    return StepWindows(nothing, before_s, moe_s, nothing.astype(np.int64))


def _campaign(cluster: Cluster) -> list[dict[str, Any]]:
    cases = peer_cases(cluster.num_gpus) if cluster.num_gpus > 1 else one_gpu_cases()
    return [
        {"case": case.name, "expected_us": _us(expected_s(case, cluster, FabricOptions()))}
        for case in cases
        if case.measure == "layer" and case.home in ("peer", cluster.home)
    ]


def _incast(cluster: Cluster, gpus: int, processes: int) -> list[dict[str, Any]]:
    cases = [case for block in incast_cases(gpus) for case in block]
    found = expect_all(cases, cluster, FabricOptions(), every=True, processes=processes)
    return [_incast_row(name, under) for name, under in found.items()]


def _incast_row(name: str, found: Sequence[Expectation]) -> dict[str, Any]:
    """Of each rank: as configured, the lowest and highest of any draw, and under each hypothesis."""
    low_s, high_s = np.min([e.low_s for e in found], axis=0), np.max([e.high_s for e in found], axis=0)
    under = [
        {"hypotheses": e.hypotheses, "mean_us": _us(e.mean_s), "low_us": _us(e.low_s), "high_us": _us(e.high_s)}
        for e in found
    ]
    own = {"expected_us": _us(found[0].mean_s), "low_us": _us(low_s), "high_us": _us(high_s)}
    return {"case": name, **own, "under": under}


def _us(seconds: Iterable[float]) -> list[float]:
    return [round(s * 1e6, 1) for s in seconds]


def main() -> None:
    """Write the expectations of a cluster's campaign."""
    parser = argparse.ArgumentParser(description="Write what the simulator expects of recorded cases.")
    parser.add_argument("cluster", help="a name in conf/cluster")
    parser.add_argument("path", type=Path, help="JSON file to write")
    parser.add_argument("--incast", type=int, metavar="GPUS", help="of +experiment=incast_h200 on so many GPUs")
    parser.add_argument("--workers", type=int, default=1, help="processes for --incast")
    arguments = parser.parse_args()
    cluster = read_cluster(arguments.cluster)
    rows = _incast(cluster, arguments.incast, arguments.workers) if arguments.incast else _campaign(cluster)
    text = json_rows({"cluster": cluster.name, "rows": rows})
    write_whole(arguments.path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    run_command(main)
