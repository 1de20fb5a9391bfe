"""Published figures of copy engines as programs for the simulator, with all that their sources do not say left open."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.hypotheses import BOTH_WAYS
from dwdp_sim.fabric.timeline import Timeline
from dwdp_sim.job.build import build_layer_job
from dwdp_sim.job.job import LayerJob
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.plan.copy_plan import ASYNC, BATCH, NO_BARRIER
from dwdp_sim.plan.program import LONGEST_SPREAD_S, Program, ProgramStream

MEASUREMENTS = Path(__file__).resolve().parents[1] / "measurements"
PUSHING_RANKS = 16  # of 64: with 64 every figure that was tried is within 3 %, at a hundred times the time
LARGE = 2**30  # bytes of a copy where the source names no size
SKEW_S = 1.6e-6  # of ranks that one barrier releases (docs/model.md)
LAYER_EVERY_S, PHASES = 1.13158 / 58, 32  # the published iteration ÷ its layers; draws of phases that a figure averages
LAUNCH_S = (20e-6, 60e-6)  # ranges of what rows do not say: a round's launch after a synchronisation
H20_RATE = (391.5e9, 400e9)  # a pull: from what a pair pushes to what 256 of 288 bytes at 450 GB/s are
H20_LOCAL_RATE = (0.6e12, 1.1e12)  # a copy inside a GPU
H20_BOTH_WAYS = (0.9414, 1.0)  # pulls, from what H200 keeps to all
BLACKWELL_RATE = (780e9, 798e9)  # what a GPU's pushes reach together, and pulls beside compute
CLUSTERS = {"GB200 NVL72": "gb200_nvl72", "GB300 NVL72": "gb300_nvl72", "GB300": "gb300_nvl72", "H200": "hgx_h200"}
_ENDS = {"batch": ("32mb", "512mb"), "waves": ("1gb", "8gb"), "push": ("256mib", "1024mib")}  # of rows named _slope

Row = Mapping[str, Any]
Copies = Sequence[tuple[int, int, int]]  # source, destination, bytes


@dataclass(frozen=True)
class Unknown:
    """One guess at what a row does not say.

    Attributes:
        number: Of the guess; the seed of everything random.
    """

    number: int

    def within(self, what: int, low: float, high: float) -> float:
        """A value from `low` to `high`; guesses fill the ranges of all `what` evenly (Kronecker's sequence)."""
        return low + (high - low) * math.fmod(0.5 + (self.number + 1) * math.sqrt((2.0, 3.0, 5.0, 7.0)[what]), 1.0)

    def random(self, further: int = 0) -> np.random.Generator:
        """Random numbers of this guess."""
        return np.random.default_rng([self.number, further])


@dataclass(frozen=True)
class Replay:
    """What stands for a row.

    Attributes:
        cluster: The machine, as far as the row and the guess say.
        programs: What runs, each on its own.
        value: The figure, in the row's unit, from what happened.
    """

    cluster: Cluster
    programs: tuple[Program, ...]
    value: Callable[[Sequence[Timeline]], float]


def read_rows() -> dict[str, Row]:
    """The published rows that a program and a machine's constants predict, and one of this project's own, by name."""
    lines = (MEASUREMENTS / "published/copy_engines.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["name"]: row for row in map(json.loads, lines)}
    own = json.loads((MEASUREMENTS / "h200_x2_ipc.json").read_text(encoding="utf-8"))["rows"]
    both = next(row for row in own if row["case"] == "jobs: A pull + B push")
    rows["h200x2_pull_beside_push"] = {
        "name": "h200x2_pull_beside_push",
        "machine": "H200",
        "program": {"pattern": "pull_beside_push", "ranks": 2, "bytes_per_peer": 8 * 2**20, "calls": "batch"},
        "relation": "=",
        "unit": "ms",
        "usable": True,
        "value": sum(engine["median"] for engine in both["device_us"]) / 2e3,
    }
    return rows


def replay_of(row: Row, unknown: Unknown, rows: Mapping[str, Row]) -> Replay:
    """The programs and the machine of a row under one guess.

    Args:
        row: A usable one.
        unknown: The guess.
        rows: All, since a slope names two others.
    """
    program, cluster = row["program"], machine_of(row["machine"], unknown)
    ranks = program["ranks"]
    match program["pattern"]:
        case "all_gather_pull":
            return _ascending_pulls(cluster, ranks, program["bytes_per_peer"], unknown)
        case "dwdp_layer":
            return _free_layers(cluster, unknown)
        case "all_gather_push" | "pair_push" if row["name"].endswith("_slope"):
            prefix = row["name"].removesuffix("_slope")
            ends = [rows[f"{prefix}_{end}"]["program"]["bytes_per_peer"] for end in _ENDS[prefix.rpartition("_")[2]]]
            return _slope(cluster, program, ends, unknown)
        case "all_gather_push":
            return _cost_of_a_copy(cluster, program, unknown)
        case "pull_beside_push":
            jobs = [[[(1, 0, program["bytes_per_peer"])] * 256]] * 2
            starts_s = unknown.random().uniform(0.0, SKEW_S, 2).tolist()
            beside = program_of(2, starts_s, jobs, BATCH)
            return Replay(cluster, (beside,), lambda runs: 1e3 * float(runs[0].stream_elapsed_s.mean()))
        case _:
            return _rate(_shipped(row["machine"], unknown), row)


def machine_of(machine: str, unknown: Unknown) -> Cluster:
    """The constants of a machine under one guess: what it loses both ways, and its rates where only ends are known."""
    cluster = _shipped(machine, unknown)
    if cluster.name in (
        "gb200_nvl72",
        "gb300_nvl72",
    ):  # pushes of 780 GB/s and pulls of 798 are known, not what a GPU's
        rate = unknown.within(1, 780e9, 798e9)  # pushes reach together, nor whether pulls beside compute reach 798
        cluster = cluster.with_values({f"{name}_bytes_per_s": rate for name in ("egress", "ingress", "pair")})
    return drawn_both_ways(cluster, unknown)


def drawn_both_ways(cluster: Cluster, unknown: Unknown) -> Cluster:
    """The cluster with both-ways losses from within their intervals, where these are open."""
    values = {}
    for name in BOTH_WAYS:
        interval = cluster.constants[name].interval
        if cluster.constants[name].provenance == "assumed" and interval is not None:
            values[name] = {kind: unknown.within(0, *ends) for kind, ends in interval.items()}
    return cluster.with_values(values)


def program_of(
    gpus: int, starts_s: Sequence[float], streams: Sequence[Sequence[Copies]], issue: int, barriers: bool = False
) -> Program:
    """A program of one queued stream a GPU.

    Args:
        gpus: GPUs.
        starts_s: When each stream starts.
        streams: For each of the first GPUs the calls of its stream, each a list of copies.
        issue: `ASYNC` or `BATCH`, of every call.
        barriers: Whether all ranks wait for one another between calls.
    """
    found = []
    for gpu, (calls, start_s) in enumerate(zip(streams, starts_s, strict=True)):
        src, dst, size = np.array([copy for call in calls for copy in call], dtype=np.int64).reshape(-1, 3).T
        copies = np.array([len(call) for call in calls])
        barrier = np.arange(len(calls)) if barriers else NO_BARRIER
        found.append(ProgramStream(gpu, src, dst, size, copies, issue, barrier, start_s))
    return Program.build(gpus, found)


def _shipped(machine: str, unknown: Unknown) -> Cluster:
    """The cluster as shipped; an H20 is made from an H200."""
    return _h20(unknown) if machine.startswith("H20 ") else _job(CLUSTERS.get(machine, "dgx_b300")).cluster


def _h20(unknown: Unknown) -> Cluster:
    """An H20: the links of an H200, with rates and losses of its own."""
    cluster = _job("hgx_h200").cluster
    open_ways = {"pull": list(H20_BOTH_WAYS), "push": [0.989, 0.9944]}
    rate = unknown.within(1, *H20_RATE)
    here = {"unit": "", "provenance": "assumed", "source": "not published"}
    more = {
        **{name: Constant(value=open_ways, interval=open_ways, **here) for name in BOTH_WAYS},
        "local_bytes_per_s": Constant(value=unknown.within(2, *H20_LOCAL_RATE), **here),
        "local_fixed_s": Constant(value=3.4e-6, **here),
        "local_gap_s": Constant(value=[[65536, 3.0e-6]], **here),
    }
    cluster = replace(cluster, constants={**cluster.constants, **more})
    rates = {f"{name}_bytes_per_s": rate for name in ("egress", "ingress", "pair")}
    return cluster.with_values({**rates, "push_bytes_per_s": H20_RATE[0]})


def _ascending_pulls(cluster: Cluster, ranks: int, size: int, unknown: Unknown) -> Replay:
    """One round: pulls from 0, 1, …, the own shard in its place, then the next round's own copy and its launch."""
    calls = [[[(source, rank, size)] for source in (*range(ranks), rank)] for rank in range(ranks)]
    launch_s = unknown.within(3, *LAUNCH_S)
    starts_s = unknown.random().uniform(0.0, SKEW_S, ranks).tolist()
    program = program_of(ranks, starts_s, calls, ASYNC)
    moved = (ranks - 1) * size
    return Replay(cluster, (program,), lambda runs: moved / (runs[0].copy_end_s.max() + launch_s) / 1e9)


def _free_layers(cluster: Cluster, unknown: Unknown) -> Replay:
    """A layer of DeepSeek-R1 on four ranks that run free: each pulls it three times, the second time counts."""
    layer = _job("gb200_nvl72").program
    phases_s = unknown.random().uniform(0.0, LAYER_EVERY_S, (PHASES, layer.num_gpus))
    programs = tuple(_three_times(layer, row.tolist()) for row in phases_s)
    ranks = layer.num_gpus

    def mean_ms(runs: Sequence[Timeline]) -> float:
        return 1e3 * float(np.mean([run.stream_elapsed_s[ranks : 2 * ranks] for run in runs]))

    return Replay(cluster, programs, mean_ms)


def _three_times(layer: Program, phase_s: Sequence[float]) -> Program:
    """The layer's streams three times over, a layer's time apart."""
    assert 3 * LAYER_EVERY_S < LONGEST_SPREAD_S
    times, streams, copies = range(3), len(layer.stream_gpu), len(layer.copy_bytes)
    columns = ("stream_gpu", "stream_queued", "call_issue", "call_barrier", "copy_src", "copy_dst", "copy_bytes")
    tiled: dict[str, Any] = {name: np.tile(getattr(layer, name), len(times)) for name in columns}
    return replace(
        layer,
        stream_start_s=np.concatenate([np.array(phase_s) + n * LAYER_EVERY_S for n in times]),
        call_stream=np.concatenate([layer.call_stream + n * streams for n in times]),
        call_first_copy=np.r_[0, np.concatenate([layer.call_first_copy[1:] + n * copies for n in times])],
        **tiled,
    )


def _pushes(program: Row, size: int, unknown: Unknown) -> Program:
    """Every rank pushes to rank + 1, rank + 2, …: in one batch, or in waves with barriers between."""
    ranks = min(program["ranks"], PUSHING_RANKS)
    copies = [[(rank, (rank + ahead) % ranks, size) for ahead in range(1, ranks)] for rank in range(ranks)]
    wave = program["copies_per_wave"] or ranks
    calls = [[own[first : first + wave] for first in range(0, ranks - 1, wave)] for own in copies]
    issue = ASYNC if program["calls"] == "single" else BATCH
    starts_s = unknown.random().uniform(0.0, SKEW_S, ranks).tolist()
    return program_of(ranks, starts_s, calls, issue, barriers=program["calls"] == "waves")


def _slope(cluster: Cluster, program: Row, sizes: Sequence[int], unknown: Unknown) -> Replay:
    """Bytes that a rank pushes more in the second of two runs, over the time that they add."""
    if program["pattern"] == "pair_push":
        programs = tuple(program_of(2, [0.0], [[[(0, 1, size)]]], ASYNC) for size in sizes)
    else:
        programs = tuple(_pushes(program, size, unknown) for size in sizes)
    more = (programs[0].num_gpus - 1) * (sizes[1] - sizes[0])
    return Replay(cluster, programs, lambda runs: more / (runs[1].copy_end_s.max() - runs[0].copy_end_s.max()) / 1e9)


def _cost_of_a_copy(cluster: Cluster, program: Row, unknown: Unknown) -> Replay:
    """Microseconds that a copy of a batch costs beside its bytes at 780 GB/s."""
    pushes = _pushes(program, program["bytes_per_peer"], unknown)
    copies = pushes.num_gpus - 1
    bytes_s = copies * program["bytes_per_peer"] / 780e9
    return Replay(cluster, (pushes,), lambda runs: 1e6 * (runs[0].copy_end_s.max() - bytes_s) / copies)


def _rate(cluster: Cluster, row: Row) -> Replay:
    """The rate of one pair, of a GPU that pushes to all in turn, or of two that push to each other (or their loss)."""
    program = row["program"]
    size, ranks = program["bytes_per_peer"] or LARGE, program["ranks"]
    alone = program_of(2, [0.0], [[[(0, 1, size)]]], ASYNC)
    match program["pattern"]:
        case "pair_pull":
            program = program_of(2, [0.0], [[[(1, 0, size)]]], ASYNC)
        case "one_to_all_push":
            program = program_of(ranks, [0.0], [[[(0, peer, size)] for peer in range(1, ranks)]], ASYNC)
        case "both_ways_push":
            program = program_of(2, [0.0, 0.0], [[[(0, 1, size)]], [[(1, 0, size)]]], ASYNC)
        case _:
            program = alone
    if row["unit"] == "%":

        def lost(runs: Sequence[Timeline]) -> float:
            return 100.0 * (1.0 - float(runs[1].copy_end_s.max() / runs[0].copy_end_s.max()))

        return Replay(cluster, (program, alone), lost)
    moved = size * (ranks - 1)
    return Replay(cluster, (program,), lambda runs: moved / runs[0].copy_end_s.max() / 1e9)


@cache
def _job(cluster: str) -> LayerJob:
    return build_layer_job(resolve(preset(cluster=cluster, strategy="default")))
