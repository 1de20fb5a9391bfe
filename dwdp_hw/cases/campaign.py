"""The cases that a machine runs for `measurements/`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dwdp_hw.cases.case import Case, Pipeline
from dwdp_hw.cases.shapes import GPT_OSS, KIB, MIB, R1, V3_LITE, model_case, pieces_case
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.engines import CONTENTION_OPT_SLICE_BYTES
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.plan.strategy import Strategy

SLICES = (256 * KIB, MIB, 2 * MIB, 8 * MIB, 64 * MIB)
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
_MAIN_BATCHED = f"{BATCHED.name}_{CONTENTION_OPT_SLICE_BYTES // KIB}K"


def link_cases(ranks: int) -> Iterator[Case]:
    """Return single copies by size, trains of single copies, batches, and long copies both ways."""
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
    """Return default, and batched with each slice size."""
    yield DEFAULT.name, Strategy(DEFAULT)
    for size in SLICES:
        yield f"{BATCHED.name}_{size // KIB}K", Strategy(BATCHED, slice_bytes=size)


def main_strategies() -> dict[str, Strategy]:
    """Return the two strategies that are recorded in full detail: default, and batched with the engines' slice size."""
    size = CONTENTION_OPT_SLICE_BYTES
    return {DEFAULT.name: Strategy(DEFAULT), _MAIN_BATCHED: Strategy(BATCHED, slice_bytes=size)}


def peer_cases(ranks: int) -> Iterator[Case]:
    """Return every case for a node with a GPU for each rank."""
    yield from link_cases(ranks)
    main = main_strategies()
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
            if way == _MAIN_BATCHED:
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
    """Return every case for one GPU: peers' experts in pinned host memory, and some in the same GPU."""
    for label, shape, pulled in (("v3lite36", V3_LITE, 36), ("gptoss32", GPT_OSS, 32), ("r1_16", R1, 16)):
        for way, strategy in strategies():
            case = replace(model_case(shape, pulled, 2, strategy), ranks=(0,), home="host")
            for mode in ("queued", "as_issued"):
                name = f"host_{label}_{way}_{mode}"
                yield replace(case, name=name, issue_mode=mode, detail=mode == "queued")
            if way == _MAIN_BATCHED:
                cost = replace(case, measure="issue_cost", repeats=15)
                yield replace(cost, name=f"host_{label}_{way}_issue_cost_queued")
                yield replace(cost, name=f"host_{label}_{way}_issue_cost", issue_mode="as_issued")
        for way, strategy in main_strategies().items():
            case = replace(model_case(shape, pulled, 2, strategy), ranks=(0,), home="local")
            yield replace(case, name=f"local_{label}_{way}_queued")
    for way, strategy in main_strategies().items():
        case = replace(model_case(V3_LITE, 36, 2, strategy), ranks=(0,), home="host")
        yield from _pipelines("v3lite36", f"host_{way}", case, _HOST_BYTES_PER_S)
