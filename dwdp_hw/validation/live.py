"""Measure rows for calibration and validation on this machine's GPUs."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.incast import FEWEST_GPUS, telling_cases
from dwdp_hw.cases.shapes import GPT_OSS, KIB, MIB, R1, V3_LITE, model_case, pieces_case, pulls_case
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.run.campaign import run_campaign
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.copy_plan import ASYNC, BATCH
from dwdp_sim.plan.kinds import BATCHED, DEFAULT
from dwdp_sim.plan.strategy import Strategy

_SIZES = (4 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB)
_TRAINS = ((64 * KIB, 256), (256 * KIB, 256), (MIB, 128), (2 * MIB, 64), (8 * MIB, 32))
_ISSUED = tuple((count, size) for size in (64 * KIB, 256 * KIB) for count in (4, 16, 64, 256, 1024))
_SLICES = (512 * KIB, 2 * MIB, 8 * MIB)


def calibration_cases(gpus: int) -> list[Case]:
    """Return the cases that identify the constants of a machine with `gpus` GPUs; with one, those of its host link."""
    ranks, home = (gpus, "peer") if gpus > 1 else (2, "host")
    cases = [pieces_case(f"size_solo_{size}", 1, size, ASYNC, ranks, (0,)) for size in _SIZES]
    cases += [pieces_case(f"loop_solo_{size}", count, size, ASYNC, ranks, (0,)) for size, count in _TRAINS]
    everyone = range(gpus)
    if gpus > 1:
        pair, eight = {0: (1,), 1: (0,)}, [8 * MIB] * ranks
        cases.append(pulls_case("batch_both_8388608", pair, 2048 * MIB, eight, BATCH, ranks))
        cases += [
            pulls_case(f"loop_both_{size}", pair, 64 * size, [size] * ranks, ASYNC, ranks) for size in (MIB, 8 * MIB)
        ]
    if gpus >= FEWEST_GPUS:
        cases += _incast_cases(gpus)
    issued = [pieces_case(f"batch_as_issued_{n}_{size}", n, size, BATCH, ranks, everyone) for n, size in _ISSUED]
    issued += [pieces_case(f"loop_as_issued_{n}", n, 16 * MIB, ASYNC, ranks, everyone) for n in (2, 6, 18)]
    cases += [replace(case, issue_mode="as_issued") for case in issued]
    return [replace(case, home=home) for case in cases]


def _incast_cases(gpus: int) -> list[Case]:
    """Two and more readers of one source, with equal pieces and with pieces of two sizes; batches of busy sources."""
    found = []
    for readers in range(2, gpus):
        pulls: dict[int, tuple[int, ...]] = {rank: (0,) for rank in range(1, readers + 1)}
        two_sizes = [16 * MIB if rank % 2 else 2 * MIB for rank in range(gpus)]
        found.append(pulls_case(f"readers_{readers}", pulls, 256 * MIB, [8 * MIB] * gpus, BATCH, gpus))
        found.append(pulls_case(f"readers_{readers}_uneven", pulls, 128 * MIB, two_sizes, BATCH, gpus))
    return found + telling_cases(gpus)


def validation_cases(gpus: int) -> list[Case]:
    """Return layers of real models under both strategies, none of which is used for fitting."""
    ranks, home, pulling = (gpus, "peer", range(gpus)) if gpus > 1 else (2, "host", range(1))
    shapes = (("v3lite36", V3_LITE, 36), ("r1_16", R1, 16), ("gptoss64", GPT_OSS, 64 if gpus > 1 else 32))
    ways = {DEFAULT.name: Strategy(DEFAULT)}
    ways |= {f"{BATCHED.name}_{size // KIB}K": Strategy(BATCHED, slice_bytes=size) for size in _SLICES}
    return [
        replace(
            model_case(shape, pulled, ranks, strategy),
            name=f"{label}_{way}_{mode}", issue_mode=mode, home=home, ranks=tuple(pulling),
        )
        for label, shape, pulled in shapes
        for way, strategy in ways.items()
        for mode in ("queued", "as_issued")
    ]  # fmt: skip


def measure(
    blocks: Iterable[Sequence[Case]],
    gpus: int,
    settings: Settings,
    path: Path,
    *,
    seed: int,
    note: str,
    limit_s: float | None = None,
) -> Recording:
    """Run blocks of cases, each in a random order, and write their rows to `path`.

    Args:
        blocks: The most important one first.
        gpus: Ranks of the group.
        settings: How it is run.
        path: File to write.
        seed: Of the order.
        note: For the file's header.
        limit_s: As in `run_campaign`.

    Raises:
        ConfigError: Not one case could be measured.
    """
    draw = random.Random(seed)
    order = [case for block in blocks for case in draw.sample(block, len(block))]
    run_campaign(order, gpus, settings, path, note, limit_s)
    recording = read_recording(str(path))
    if not recording.rows:
        raise ConfigError("source", "live", f"no case could be measured; {path} says why")
    return recording
