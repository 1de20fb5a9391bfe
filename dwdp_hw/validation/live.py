"""Measure rows for calibration and validation on this machine's GPUs."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.incast import FEWEST_GPUS, telling_cases
from dwdp_hw.cases.shapes import (
    GPT_OSS,
    KIB,
    MIB,
    R1,
    SHRINK_ON_HOST,
    V3_LITE,
    model_case,
    pieces_case,
    pulls_case,
    shrunken,
)
from dwdp_hw.health.nvml_facts import warnings_now
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.run.campaign import run_campaign
from dwdp_hw.run.rounds import run_rounds
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.plan.strategy import Strategy

_SIZES = (4 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB)
_TRAINS = ((64 * KIB, 256), (256 * KIB, 256), (MIB, 128), (2 * MIB, 64), (8 * MIB, 32))
_ISSUED = tuple((count, size) for size in (64 * KIB, 256 * KIB) for count in (4, 16, 64, 256, 1024))
_RELATIVE_S = 3.0  # so long even a core that others share has had moments at its higher speed
_RELATIVE_ON_HOST_S = 0.02  # on machines without GPUs, which show that it runs
_SLICES = (512 * KIB, 2 * MIB, 8 * MIB)


def calibration_cases(gpus: int, shrink: int = 1) -> list[Case]:
    """Return the cases that identify the constants of a machine; with one GPU, those of its host link.

    Args:
        gpus: Of the machine.
        shrink: What all sizes are divided by: 1, or `shapes.SHRINK_ON_HOST` for machines without GPUs.
    """
    ranks, home = _group(gpus)
    cases = [pieces_case(f"size_solo_{size}", 1, size // shrink, ASYNC, ranks, (0,)) for size in _SIZES]
    cases += [pieces_case(f"loop_solo_{size}", n, size // shrink, ASYNC, ranks, (0,)) for size, n in _TRAINS]
    everyone = range(gpus)
    if gpus > 1:
        pair, eight = {0: (1,), 1: (0,)}, [8 * MIB // shrink] * ranks
        cases.append(pulls_case("batch_both_8388608", pair, 2048 * MIB // shrink, eight, BATCH, ranks))
        for size in (MIB, 8 * MIB):
            pieces = [size // shrink] * ranks
            cases.append(pulls_case(f"loop_both_{size}", pair, 64 * size // shrink, pieces, ASYNC, ranks))
    if gpus >= FEWEST_GPUS:
        cases += _incast_cases(gpus, shrink)
    issued = [
        pieces_case(f"batch_as_issued_{n}_{size}", n, size // shrink, BATCH, ranks, everyone) for n, size in _ISSUED
    ]
    issued += [pieces_case(f"loop_as_issued_{n}", n, 16 * MIB // shrink, ASYNC, ranks, everyone) for n in (2, 6, 18)]
    cases += [replace(case, issue_mode="as_issued") for case in issued]
    return [replace(case, home=home) for case in cases]


def reference_case(gpus: int, shrink: int = 1) -> Case:
    """Return the transfer that tells whether the link is as always: one copy, of the kind that the cases make."""
    ranks, home = _group(gpus)
    return replace(pieces_case("reference", 1, 64 * MIB // shrink, ASYNC, ranks, (0,)), home=home)


def _group(gpus: int) -> tuple[int, str]:
    """Ranks of a plan, and where the peers' experts are."""
    return (gpus, "peer") if gpus > 1 else (2, "host")


def _incast_cases(gpus: int, shrink: int) -> list[Case]:
    """Two and more readers of one source, with equal pieces and with pieces of two sizes; batches of busy sources."""
    found = []
    for readers in range(2, gpus):
        pulls: dict[int, tuple[int, ...]] = {rank: (0,) for rank in range(1, readers + 1)}
        equal = [8 * MIB // shrink] * gpus
        two_sizes = [(16 if rank % 2 else 2) * MIB // shrink for rank in range(gpus)]
        found.append(pulls_case(f"readers_{readers}", pulls, 256 * MIB // shrink, equal, BATCH, gpus))
        found.append(pulls_case(f"readers_{readers}_uneven", pulls, 128 * MIB // shrink, two_sizes, BATCH, gpus))
    return found + telling_cases(gpus, shrink)


def relative_cost_cases(gpus: int, shrink: int = 1) -> list[Case]:
    """Return the cases that show a change of the host's costs by a few per cent; arguments as above."""
    ranks, home = _group(gpus)
    everyone = range(gpus)
    cases = [
        pieces_case("relative_async", 32, 64 * KIB // shrink, ASYNC, ranks, everyone),
        pieces_case("relative_batch", 256, 64 * KIB // shrink, BATCH, ranks, everyone),
    ]
    lasting_s = _RELATIVE_S if shrink == 1 else _RELATIVE_ON_HOST_S
    return [
        replace(case, home=home, measure="relative_cost", issue_mode="as_issued", lasting_s=lasting_s) for case in cases
    ]


def validation_cases(gpus: int, shrink: int = 1) -> list[Case]:
    """Return layers of real models under both strategies, none of which is used for fitting; arguments as above."""
    ranks, home = _group(gpus)
    shapes = (("v3lite36", V3_LITE, 36), ("r1_16", R1, 16), ("gptoss64", GPT_OSS, 64 if gpus > 1 else 32))
    ways = {DEFAULT.name: Strategy(DEFAULT)}
    ways |= {f"{BATCHED.name}_{size // KIB}K": Strategy(BATCHED, slice_bytes=size) for size in _SLICES}
    found = []
    for label, shape, pulled in shapes:
        for way, strategy in ways.items():
            own, cut = shrunken(shape, strategy, shrink)
            case = replace(model_case(own, pulled, ranks, cut), home=home, ranks=tuple(range(gpus)))
            found += [replace(case, name=f"{label}_{way}_{mode}", issue_mode=mode) for mode in ("queued", "as_issued")]
    return found


def measure_rounds(
    cases: Sequence[Case], gpus: int, settings: Settings, path: Path, *, rounds: int, seed: int, **more: Any
) -> Recording:
    """Measure cases in rounds (`run_rounds`), write their rows to `path` and read them.

    Raises:
        ConfigError: Not one case could be measured.
    """
    reference = reference_case(gpus, shrink_of(settings))
    warned = warnings_now if settings.executor == "cuda" else tuple
    run_rounds(cases, reference, gpus, settings, path, rounds=rounds, seed=seed, warned=warned, **more)
    return _read(path)


def measure(
    blocks: Iterable[Sequence[Case]], gpus: int, settings: Settings, path: Path, *, seed: int, **more: Any
) -> Recording:
    """Run blocks of cases once, each in a random order, the most important one first, and write and read their rows.

    Raises:
        ConfigError: Not one case could be measured.
    """
    draw = random.Random(seed)
    order = [case for block in blocks for case in draw.sample(block, len(block))]
    run_campaign(order, gpus, settings, path, **more)
    return _read(path)


def shrink_of(settings: Settings) -> int:
    """What the sizes of cases are divided by: nothing on GPUs."""
    return 1 if settings.executor == "cuda" else SHRINK_ON_HOST


def _read(path: Path) -> Recording:
    recording = read_recording(str(path))
    if not recording.rows:
        raise ConfigError("source", "live", f"no case could be measured; {path} says why")
    return recording
