"""Cases that show how a batch walks several sources, how a source shares its link, and what incast costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from dwdp_hw.cases.case import Case, Pipeline
from dwdp_hw.cases.shapes import GPT_OSS, KIB, MIB, R1, V3_LITE, model_case, pulls_case, shrunken
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.kinds import BATCHED, BATCHED_PER_ROUND, DEFAULT, RING, WAVES
from dwdp_sim.plan.strategy import Strategy

FEWEST_GPUS = 3
SIZES = (256 * KIB, 2 * MIB, 16 * MIB, 256 * MIB)
SKEWS_S = (50e-6, 150e-6, 500e-6)
_ISSUES = {"single": ASYNC, "batch": BATCH}
_TOTAL = 64 * MIB  # pulled from a peer; larger pieces are pulled whole
_BUSY_TOTAL = 32 * MIB
_BUSY = ("one", "two", "three", "last")
_BUSY_SIZES = (256 * KIB, MIB, 2 * MIB, 8 * MIB)
# (busy sources, bytes of a slice, whether in turns): the fewest that tell apart all hypotheses that so many GPUs can
_TELLING = (
    ("one", 2 * MIB, True), ("two", MIB, True), ("three", 8 * MIB, True), ("last", 2 * MIB, True),
    ("three", 256 * KIB, False), ("one", MIB, False), ("last", 8 * MIB, False),
)  # fmt: skip
_FEW_CALLS = 16 * MIB  # from a peer, where 256 KiB pieces of every peer must fit a stream's queue
# (label, shape, experts of the model)
_MODELS = (("r1", R1, 256), ("v3lite", V3_LITE, 72), ("gptoss", GPT_OSS, 128))
_WAYS = {
    DEFAULT.name: Strategy(DEFAULT),
    f"{DEFAULT.name}_vmm": Strategy(DEFAULT, "trtllm_vmm"),
    RING.name: Strategy(RING),
    BATCHED.name: Strategy(BATCHED),
    f"{BATCHED.name}_vmm": Strategy(BATCHED, "trtllm_vmm"),
    "per_round": Strategy(BATCHED_PER_ROUND),
    "paced": Strategy(BATCHED_PER_ROUND, barrier="group"),
    WAVES.name: Strategy(WAVES, slice_bytes=8 * MIB),
    f"{WAVES.name}_group": Strategy(WAVES, slice_bytes=8 * MIB, barrier="group"),
}
_SLICES = {
    "r1": (8 * MIB, 16 * MIB, 64 * MIB),
    "v3lite": (256 * KIB, MIB, 8 * MIB, 64 * MIB),
    "gptoss": (512 * KIB, 8 * MIB, 64 * MIB),
}
_PEER_BYTES_PER_S = 370e9  # only to choose compute windows near the prefetch time
_LAYERS = 6
_WINDOWS = (0.8, 1.0, 1.3)
_VARIATIONS = (0.0, 0.2)


def incast_cases(gpus: int, shrink: int = 1) -> list[list[Case]]:
    """Return blocks of cases for a node, the most important block first.

    Args:
        gpus: Of the node; every one is a rank.
        shrink: What all sizes are divided by: 1, or `shapes.SHRINK_ON_HOST` for machines without GPUs.
    """
    telling, others = _busy(gpus, shrink)
    blocks = (_readers(gpus, shrink), _layers(gpus, shrink), _together(gpus, shrink), _sources(gpus, shrink))
    rest = [list(block) for block in (*blocks, _skewed(gpus, shrink), _pipelines(gpus, shrink))]
    return [[*_alone(gpus, shrink), *telling], others, *rest]


def telling_cases(gpus: int, shrink: int = 1) -> list[Case]:
    """Return the cases of the first block of `incast_cases` that tell hypotheses apart."""
    return _busy(gpus, shrink)[0]


def _alone(gpus: int, shrink: int) -> Iterator[Case]:
    """GPU 0 alone reads all others, which no hypothesis changes: its links' speed, and what a change of peer costs."""
    for size, turns in ((8 * MIB, False), (2 * MIB, True)):
        yield _many_sources("alone", {}, size, gpus, shrink, turns=turns)


def _busy(gpus: int, shrink: int) -> tuple[list[Case], list[Case]]:
    """GPU 0 reads all others, some of which are busy with other readers: what its batch does with a slow source.

    The batch goes on with the other sources as far as its engine can, and by how much says how many sources, or bytes,
    are in flight, who takes a free place, and whether the copies of an engine share a rate. Slices of the sources take
    turns, or the sources follow one another.

    Returns:
        The fewest cases that tell apart what can be told, and the others.
    """
    found: dict[tuple[str, int, bool], Case] = {}
    known: list[dict[int, tuple[int, ...]]] = []
    for name in _BUSY:
        readers = _busy_readers(name, gpus)
        if readers in known:  # of three GPUs, `two` and `three` are `one`
            continue
        known.append(readers)
        for size, turns in product(_BUSY_SIZES, (True, False)):
            found[name, size, turns] = _many_sources(f"busy_{name}", readers, size, gpus, shrink, turns=turns)
    telling = [found[key] for key in _TELLING if key in found]
    return telling, [case for key, case in found.items() if key not in _TELLING]


def _many_sources(
    name: str, readers: Mapping[int, tuple[int, ...]], size: int, gpus: int, shrink: int, *, turns: bool
) -> Case:
    """GPU 0 reads all others in one batch, beside other readers."""
    order = "in_turns" if turns else "in_sequence"
    pulls = {0: tuple(range(1, gpus)), **readers}
    pieces = [size // shrink] * gpus
    name = f"{name}_{order}_{size // KIB}K"
    return pulls_case(name, pulls, _BUSY_TOTAL // shrink, pieces, BATCH, gpus, interleaved=turns)


def _busy_readers(name: str, gpus: int) -> dict[int, tuple[int, ...]]:
    """What the other ranks read: the busy sources in turns, each rank one; `last`: the last rank alone reads GPU 1."""
    sources = {"one": (1,), "two": (2, 3), "three": (1, 2, 3), "last": (1,)}[name]
    readers = [gpus - 1] if name == "last" else range(1, gpus)
    sources = tuple(source for source in sources if source < gpus)
    chosen = ((rank, sources[place % len(sources)]) for place, rank in enumerate(readers))
    return {rank: (rank % (gpus - 1) + 1 if source == rank else source,) for rank, source in chosen}


def _pulls(
    name: str, pulls: Mapping[int, Sequence[int]], size: int, issue: str, gpus: int, shrink: int, **more: bool
) -> Case:
    total = max(_FEW_CALLS if size < MIB and len(pulls) == gpus else _TOTAL, size) // shrink
    pieces = [size // shrink] * gpus
    return pulls_case(f"{name}_{issue}_{size // KIB}K", pulls, total, pieces, _ISSUES[issue], gpus, **more)


def _readers(gpus: int, shrink: int) -> Iterator[Case]:
    """One to all other ranks read GPU 0; then with pieces of two sizes, which only a fair source does not mind."""
    for readers in range(1, gpus):
        pulls = {rank: (0,) for rank in range(1, readers + 1)}
        for size in SIZES:
            for issue in _ISSUES:
                yield _pulls(f"readers_{readers}", pulls, size, issue, gpus, shrink)
        for small, large in ((2 * MIB, 16 * MIB), (256 * KIB, 64 * MIB)) if readers > 1 else ():
            pieces = [(large if rank % 2 else small) // shrink for rank in range(gpus)]
            name = f"readers_{readers}_uneven_{small // KIB}K_{large // KIB}K"
            yield pulls_case(name, pulls, 4 * _TOTAL // shrink, pieces, BATCH, gpus)


def _sources(gpus: int, shrink: int) -> Iterator[Case]:
    """GPU 0 reads from several: one after another, or in turns within a batch."""
    for sources in sorted({2, 3, gpus // 2, gpus - 1} & set(range(2, gpus))):
        pulls = {0: tuple(range(1, sources + 1))}
        for size in SIZES[:3]:
            yield _pulls(f"sources_{sources}", pulls, size, "single", gpus, shrink)
            yield _pulls(f"sources_{sources}_in_turns", pulls, size, "batch", gpus, shrink, interleaved=True)
        yield _pulls(f"sources_{sources}", pulls, SIZES[1], "batch", gpus, shrink)


def _together(gpus: int, shrink: int) -> Iterator[Case]:
    """All ranks pull: each from another one, in pairs, and everybody from everybody in three orders."""
    everyone = range(gpus)
    ascending = {rank: tuple(peer for peer in everyone if peer != rank) for rank in everyone}
    rotated = {rank: tuple((rank + step) % gpus for step in range(1, gpus)) for rank in everyone}
    following = {rank: ((rank + 1) % gpus,) for rank in everyone}
    for size in SIZES:
        for issue in _ISSUES:
            case = _pulls("next", following, size, issue, gpus, shrink)
            yield case
            if size < SIZES[2]:  # equal copies with their host's time, from which a calibration has its costs
                yield replace(case, name=f"{case.name}_as_issued", issue_mode="as_issued")
            yield _pulls("all_ascending", ascending, size, issue, gpus, shrink)
            yield _pulls("all_rotated", rotated, size, issue, gpus, shrink)
        yield _pulls("pair", {0: (1,), 1: (0,)}, size, "batch", gpus, shrink)
        yield _pulls("pairs", {rank: (rank ^ 1,) for rank in range(gpus - gpus % 2)}, size, "batch", gpus, shrink)
    for size in SIZES[:3]:
        for name, pulls in (("all_ascending_in_turns", ascending), ("all_rotated_in_turns", rotated)):
            yield _pulls(name, pulls, size, "batch", gpus, shrink, interleaved=True)


def _layer(label: str, way: str, strategy: Strategy, gpus: int, shrink: int) -> Case:
    """A layer of the model of which each rank holds its share, all ranks pulling."""
    shape, experts = next((shape, experts) for name, shape, experts in _MODELS if name == label)
    shape, strategy = shrunken(shape, strategy, shrink)
    case = model_case(shape, experts // gpus, gpus, strategy)
    return replace(case, name=f"{label}_{way}", labels={**case.labels, "strategy": way})


def _layers(gpus: int, shrink: int) -> Iterator[Case]:
    """Whole layers, all ranks from one gate: every strategy, slice sizes, and three with their host's time."""
    for label, _, _ in _MODELS:
        for way, strategy in _WAYS.items():
            yield replace(_layer(label, way, strategy, gpus, shrink), detail=label == "v3lite")
        sliced = {f"{BATCHED.name}_{size // KIB}K": Strategy(BATCHED, slice_bytes=size) for size in _SLICES[label]}
        for way, strategy in sliced.items():
            yield _layer(label, way, strategy, gpus, shrink)
        for way in (DEFAULT.name, BATCHED.name, f"{BATCHED.name}_8192K"):
            case = _layer(label, way, (_WAYS | sliced)[way], gpus, shrink)
            yield replace(case, name=f"{case.name}_as_issued", issue_mode="as_issued")


def _skewed(gpus: int, shrink: int) -> Iterator[Case]:
    """The ranks begin at different times, neighbours far apart."""
    for label, ways, skews in (
        ("v3lite", (DEFAULT.name, RING.name, BATCHED.name, f"{BATCHED.name}_vmm"), SKEWS_S),
        ("gptoss", (DEFAULT.name, BATCHED.name), SKEWS_S[1:]),
        ("r1", (DEFAULT.name, RING.name), SKEWS_S[2:]),
    ):
        for way in ways:
            for skew_s in skews:
                case = _layer(label, way, _WAYS[way], gpus, shrink)
                starts = tuple(skew_s * (3 * rank % gpus) / (gpus - 1) for rank in range(gpus))
                yield replace(case, name=f"{case.name}_skewed_{skew_s * 1e6:.0f}us", start_s=starts)


def _pipelines(gpus: int, shrink: int) -> Iterator[Case]:
    """Free-running layers with windows around the prefetch time, equal or different by rank and layer."""
    random = np.random.default_rng(0)
    for label, ways in (
        ("v3lite", (DEFAULT.name, RING.name, BATCHED.name, "paced")),
        ("r1", (DEFAULT.name, WAVES.name)),
    ):
        for window in _WINDOWS if label == "v3lite" else _WINDOWS[1:2]:
            for variation in _VARIATIONS:
                factors = 1 + variation * random.uniform(-1, 1, (gpus, _LAYERS))
                for way in ways:
                    case = _layer(label, way, _WAYS[way], gpus, shrink)
                    window_s = window * case.plan.bytes_per_rank()[0] / _PEER_BYTES_PER_S
                    pipeline = Pipeline((window_s,), factors=tuple(map(tuple, factors.tolist())))
                    yield replace(
                        case, name=f"{case.name}_pipeline_{window:g}_varied_{variation:g}", measure="pipeline",
                        layers=_LAYERS, pipeline=pipeline, issue_mode="as_issued", repeats=5,
                    )  # fmt: skip
