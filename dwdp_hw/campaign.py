"""The recorded campaign: which cases a machine runs for `measurements/`, and a file that survives a failing case."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.case import Case, Pipeline, RankResult, Settings
from dwdp_hw.cuda import count_gpus
from dwdp_hw.faults import NoGpuError, RankFault
from dwdp_hw.launch import run_group
from dwdp_hw.measurement_file import measurement_file
from dwdp_hw.rows import measured_row
from dwdp_hw.worker import Work
from dwdp_sim.errors import ConfigError
from dwdp_sim.files import write_whole
from dwdp_sim.models import MoEModel, Parameter
from dwdp_sim.placement import Placement
from dwdp_sim.plan import ASYNC, BATCH, NO_BARRIER, CopyPlan
from dwdp_sim.strategies import Strategy, build_plan

KIB, MIB = 1 << 10, 1 << 20
SLICES = (256 * KIB, MIB, 2 * MIB, 8 * MIB, 64 * MIB)
R1 = ("deepseek_r1_nvfp4", 7168, 2048, "nvfp4")
V3_LITE = ("deepseek_v3_lite_nvfp4", 2560, 1536, "nvfp4")
GPT_OSS = ("gpt_oss_120b_mxfp4", 2880, 2880, "mxfp4")
# (label, shape, experts pulled from each peer); experts are cut so that every rank holds just what it serves
SHAPES = (
    ("v3lite36", V3_LITE, 36),
    ("r1_16", R1, 16),
    ("r1_56", R1, 56),
    ("r1_128", R1, 128),
    ("gptoss64", GPT_OSS, 64),
)
_EXPECTED_BYTES_PER_S = 370e9  # only to choose compute windows near the prefetch time
_HOST_BYTES_PER_S = 54e9
_LAYERS = 12
_ROWS_BETWEEN_SAVES = 10
_MOST_FAILURES = 4  # in a row: something is wrong with the machine, not with a case


def model_case(shape: tuple[str, int, int, str], pulled: int, ranks: int, strategy: Strategy) -> Case:
    """A layer of that shape of which each of `ranks` ranks holds `pulled` experts."""
    name, hidden, inner, weight_format = shape
    include = ("weight",) if weight_format == "mxfp4" else ("weight", "scale", "alpha")
    model = MoEModel(name, hidden, inner, pulled * ranks, 1, 1, 1, weight_format, include=include)
    plan = build_plan(model, Placement.create(model.num_experts, ranks), strategy)
    labels = {
        "model": name,
        "strategy": strategy.name,
        "implementation": strategy.implementation,
        "slice_bytes": strategy.slice_bytes if strategy.slices else None,
    }
    return Case("", plan, labels, ranks=tuple(range(ranks)))


def pieces_case(name: str, pieces: int, piece_bytes: int, issue: int, ranks: int, pulling: Sequence[int]) -> Case:
    """Equal pieces, one after another, from the next rank; single copies or one batch."""
    pulls = {rank: ((rank + 1) % ranks,) for rank in pulling}
    return pulls_case(name, pulls, pieces * piece_bytes, [piece_bytes] * ranks, issue, ranks)


def pulls_case(
    name: str,
    pulls: Mapping[int, Sequence[int]],
    total_bytes: int,
    piece_bytes: Sequence[int],
    issue: int,
    ranks: int,
    *,
    interleaved: bool = False,
) -> Case:
    """The same number of bytes from each chosen peer, in pieces.

    Args:
        name: Of the case.
        pulls: Peers of each rank that pulls, in order.
        total_bytes: Pulled from each peer.
        piece_bytes: Size of the pieces, by rank; the last one of a peer may be shorter.
        issue: `ASYNC` for single copies, `BATCH` for one batch a rank.
        ranks: Of the group.
        interleaved: Whether the pieces of the peers take turns, instead of one peer after another.
    """
    placement = Placement.create(ranks, ranks)
    rows: list[tuple[int, int, int, int]] = []
    for rank, peers in sorted(pulls.items()):
        piece = piece_bytes[rank]
        offsets = range(0, total_bytes, piece)
        order = product(offsets, peers) if interleaved else ((o, p) for p, o in product(peers, offsets))
        rows += [(rank, peer, offset, min(piece, total_bytes - offset)) for offset, peer in order]
    rank, peer, offset, size = np.array(rows, dtype=np.int64).T
    pulling = sorted(pulls)
    call = np.arange(len(rank)) if issue == ASYNC else np.searchsorted(pulling, rank)
    calls = int(call.max()) + 1
    place = np.array([placement.remote_index(r, p) for r, p in zip(rank.tolist(), peer.tolist(), strict=True)])
    plan = CopyPlan(
        placement=placement,
        parameters=(Parameter("piece", "weight", (total_bytes,), 1),),
        copy_rank=rank,
        copy_call=call.astype(np.int64),
        copy_peer=peer,
        copy_parameter=np.zeros_like(rank),
        copy_src_offset=offset,
        copy_dst_offset=place * total_bytes + offset,
        copy_bytes=size,
        call_rank=rank if issue == ASYNC else np.array(pulling, dtype=np.int64),
        call_issue=np.full(calls, issue, dtype=np.int64),
        call_barrier=np.full(calls, NO_BARRIER, dtype=np.int64),
    )
    labels = {"model": None, "strategy": None, "implementation": None, "slice_bytes": max(piece_bytes)}
    sources = tuple(tuple(pulls.get(rank, ())) for rank in range(ranks))
    return Case(name, plan, labels, ranks=tuple(pulling), layers=1, repeats=9, sources=sources)


def link_cases(ranks: int) -> Iterator[Case]:
    """Single copies by size, trains of single copies, batches, and long jobs both ways."""
    everyone = range(ranks)
    for size in (4 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB):
        yield pieces_case(f"size_solo_{size}", 1, size, ASYNC, ranks, (0,))
    for size, count in ((64 * KIB, 256), (256 * KIB, 256), (MIB, 128), (2 * MIB, 64), (4 * MIB, 64), (8 * MIB, 32)):
        yield pieces_case(f"loop_solo_{size}", count, size, ASYNC, ranks, (0,))
    for size in (64 * KIB, MIB, 2 * MIB, 8 * MIB, 32 * MIB):
        yield pieces_case(f"batch_solo_{size}", 64 * MIB // size, size, BATCH, ranks, (0,))
    for size in (2 * MIB, 8 * MIB, 64 * MIB):
        yield pieces_case(f"batch_both_{size}", 2048 * MIB // size, size, BATCH, ranks, everyone)
    for size in (8 * MIB, 64 * MIB):
        yield pieces_case(f"loop_both_{size}", 2048 * MIB // size, size, ASYNC, ranks, everyone)
    yield pieces_case("loop_long_65536", 1024, 64 * KIB, ASYNC, ranks, (0,))


def strategies() -> Iterator[tuple[str, Strategy]]:
    """Default, and batched with each slice size."""
    yield "default", Strategy("default")
    for size in SLICES:
        yield f"batched_{size // KIB}K", Strategy("batched", slice_bytes=size)


def peer_cases(ranks: int) -> Iterator[Case]:
    """Everything for a node with a GPU for each rank."""
    yield from link_cases(ranks)
    main = {"default", "batched_2048K"}
    for label, shape, pulled in SHAPES:
        for way, strategy in strategies():
            case = model_case(shape, pulled, ranks, strategy)
            for mode in ("queued", "as_issued"):
                name = f"{label}_{way}_{mode}"
                yield replace(
                    case,
                    name=name,
                    issue_mode=mode,
                    detail=mode == "queued" and way in main,
                    witness=mode == "queued" and way in main,
                )
            if way in main:
                yield replace(case, name=f"{label}_{way}_queued_solo", ranks=(0,))
            if way == "batched_2048K":
                lists = replace(case, issue="lists", issue_mode="as_issued")
                yield replace(lists, name=f"{label}_{way}_as_issued_lists")
                cost = replace(case, measure="issue_cost", repeats=15)
                yield replace(cost, name=f"{label}_{way}_issue_cost_queued")
                yield replace(cost, name=f"{label}_{way}_issue_cost", issue_mode="as_issued")
    for label, shape, pulled in SHAPES:
        for way, strategy in strategies():
            if way in main:
                case = replace(model_case(shape, pulled, ranks, strategy), mapping="vmm_fd")
                yield replace(case, name=f"{label}_{way}_queued_vmm_fd")
                yield replace(case, name=f"{label}_{way}_as_issued_vmm_fd", issue_mode="as_issued")
    for label, shape, pulled in SHAPES:
        for way, strategy in strategies():
            if way in main:
                yield from _pipelines(label, way, model_case(shape, pulled, ranks, strategy), _EXPECTED_BYTES_PER_S)


def _pipelines(label: str, way: str, case: Case, rate: float) -> Iterator[Case]:
    """Windows shorter and longer than the prefetch; the second rank computes a tenth longer."""
    prefetch_s = case.plan.bytes_per_rank()[0] / rate
    for factor in (0.8, 1.3):
        pipeline = Pipeline((factor * prefetch_s, 1.1 * factor * prefetch_s))
        name = f"{label}_{way}_pipeline_{factor}"
        yield replace(
            case, name=name, measure="pipeline", layers=_LAYERS, pipeline=pipeline, issue_mode="as_issued", repeats=5
        )
    if label == "v3lite36":
        pipeline = Pipeline((1.3 * prefetch_s,), window="matmul")
        name = f"{label}_{way}_pipeline_matmul"
        yield replace(
            case, name=name, measure="pipeline", layers=_LAYERS, pipeline=pipeline, issue_mode="as_issued", repeats=5
        )


def one_gpu_cases() -> Iterator[Case]:
    """Everything for one GPU: peers' experts in pinned host memory, and some in the same GPU."""
    for label, shape, pulled in (("v3lite36", V3_LITE, 36), ("gptoss32", GPT_OSS, 32), ("r1_16", R1, 16)):
        for way, strategy in strategies():
            case = replace(model_case(shape, pulled, 2, strategy), ranks=(0,), home="host")
            for mode in ("queued", "as_issued"):
                name = f"host_{label}_{way}_{mode}"
                yield replace(case, name=name, issue_mode=mode, detail=mode == "queued")
            if way == "batched_2048K":
                cost = replace(case, measure="issue_cost", repeats=15)
                yield replace(cost, name=f"host_{label}_{way}_issue_cost_queued")
                yield replace(cost, name=f"host_{label}_{way}_issue_cost", issue_mode="as_issued")
        for way, strategy in (("default", Strategy("default")), ("batched_2048K", Strategy("batched"))):
            case = replace(model_case(shape, pulled, 2, strategy), ranks=(0,), home="local")
            yield replace(case, name=f"local_{label}_{way}_queued")
    for way, strategy in (("default", Strategy("default")), ("batched_2048K", Strategy("batched"))):
        case = replace(model_case(V3_LITE, 36, 2, strategy), ranks=(0,), home="host")
        yield from _pipelines("v3lite36", f"host_{way}", case, _HOST_BYTES_PER_S)


class _TimeIsUp(Exception):
    """Ends the ranks between two cases."""


def run_campaign(
    cases: Sequence[Case], ranks: int, settings: Settings, path: Path, note: str, limit_s: float | None = None
) -> int:
    """Run all cases, writing the file now and then; a failing case is noted, left out, and the rest goes on.

    Args:
        cases: In the order of running.
        ranks: Processes of the group.
        settings: How it is run.
        path: File of rows to write.
        note: A line about the machine for its header.
        limit_s: Seconds after which no further case begins; what is left is listed as not run.

    Returns:
        Number of cases that failed.
    """
    left = list(cases)
    rows: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    machine: dict[str, Any] = {}
    began = time.monotonic()
    in_a_row = 0

    def save() -> None:
        text = measurement_file(machine, note, rows, failed)
        write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def keep(case: Case, results: list[RankResult]) -> None:
        nonlocal in_a_row
        in_a_row = 0
        machine.update(results[0].machine)
        rows.append(measured_row(case, results))
        left.pop(0)
        _say(rows[-1], time.monotonic() - began)
        if len(rows) % _ROWS_BETWEEN_SAVES == 0:
            save()
        if left and limit_s is not None and time.monotonic() - began > limit_s:
            raise _TimeIsUp

    why_not = "too many failures in a row"
    while left and in_a_row < _MOST_FAILURES:
        try:
            run_group(Work(tuple(left), settings), ranks, keep)
        except _TimeIsUp:
            why_not = f"the limit of {limit_s:g} s was over"
            break
        except (RankFault, ConfigError) as fault:
            in_a_row += 1
            failed.append({"case": left[0].name, "why": str(fault)})
            sys.stdout.write(f"FAILED {left.pop(0).name}: {fault}\n")
    failed += [{"case": case.name, "why": f"not run: {why_not}"} for case in left]
    save()
    return len(failed)


def _say(row: dict[str, Any], elapsed_s: float) -> None:
    device = " ".join(f"{spread['median']:.1f}" for spread in row["device_us"])
    shaky = "" if row["stable"] else f"  UNSTABLE: {row['unstable_reason']}"
    sys.stdout.write(f"{elapsed_s:6.1f} s  {row['case']}: {device} µs, host {row['host_us']}{shaky}\n")
    sys.stdout.flush()


def main() -> None:
    """Run the campaign that fits this machine's GPUs."""
    parser = argparse.ArgumentParser(description="Record the measurement rows of this machine.")
    parser.add_argument("path", type=Path, help="JSON file to write")
    parser.add_argument("--only", default="", help="run only cases whose name contains this")
    parser.add_argument("--seed", type=int, default=None, help="run the cases in a random order")
    parser.add_argument("--note", default="", help="a line about the machine for the file's header")
    arguments = parser.parse_args()
    try:
        gpus = count_gpus()
    except NoGpuError as error:
        sys.stderr.write(f"campaign: {error}\n")
        sys.exit(3)
    cases = [case for case in (peer_cases(gpus) if gpus > 1 else one_gpu_cases()) if arguments.only in case.name]
    if arguments.seed is not None:
        random.Random(arguments.seed).shuffle(cases)
    sys.exit(1 if run_campaign(cases, gpus, Settings(), arguments.path, arguments.note) else 0)


if __name__ == "__main__":
    main()
