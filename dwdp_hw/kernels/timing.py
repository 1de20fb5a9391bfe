"""Time the operations of a layer and its two parts on the GPU, in rounds, host time hidden."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dwdp_hw.kernels.layer import TorchLayer

_HOLD_CYCLES = 400_000  # a fifth of a millisecond in which the host launches an operation
_HOLD_PART_CYCLES = 6_000_000  # about three milliseconds, in which it launches the first layer
WHOLE = "layer"
METHOD = (
    "device time between CUDA events, host time hidden behind a kernel that holds the stream; operations one by one in "
    "shuffled order, then layers one after another with an event between their parts; median of the rounds' medians"
)


@dataclass(frozen=True)
class Rounds:
    """Times of one thing in several rounds of measurement, in seconds.

    Attributes:
        medians_s: Of each round.
        min_s: The shortest of all runs.
        max_s: The longest.
    """

    medians_s: tuple[float, ...]
    min_s: float
    max_s: float

    @classmethod
    def of(cls, runs_s: Sequence[Sequence[float]]) -> Rounds:
        """Summarize the runs of each round."""
        medians = tuple(statistics.median(runs) for runs in runs_s)
        return cls(medians, min(map(min, runs_s)), max(map(max, runs_s)))

    @property
    def median_s(self) -> float:
        """Median of the rounds' medians."""
        return statistics.median(self.medians_s)

    @property
    def spread(self) -> float:
        """How far the rounds lie apart: (largest − smallest) ÷ median of their medians."""
        return (max(self.medians_s) - min(self.medians_s)) / self.median_s

    def as_dict(self) -> dict[str, Any]:
        """In microseconds."""
        times = {"median_us": self.median_s, "min_us": self.min_s, "max_us": self.max_s}
        return {name: _us(value) for name, value in times.items()} | {"rounds_us": [_us(s) for s in self.medians_s]}


@dataclass(frozen=True)
class Effort:
    """How often things are timed.

    Attributes:
        warmups: Runs before each round of each operation.
        repeats: Timed runs in a round.
        rounds: Rounds, each over all operations in an order of its own.
        chain: Layers that run one after another when the parts are timed.
    """

    warmups: int = 2
    repeats: int = 9
    rounds: int = 3
    chain: int = 4


@dataclass(frozen=True)
class LayerTiming:
    """The times of a layer.

    Attributes:
        operations: By name.
        before: The part before the MoE block, in layers one after another; of a layer without experts all of it.
        moe: The MoE block; None without one.
    """

    operations: dict[str, Rounds]
    before: Rounds
    moe: Rounds | None


def time_layer(torch: Any, layer: TorchLayer, effort: Effort, seed: int = 0) -> LayerTiming:
    """Warm the layer up and time it.

    Raises:
        ConfigError: A kernel does not run on this GPU.
    """
    layer.warm_up()
    shuffled = random.Random(seed)
    runs: dict[str, list[list[float]]] = {name: [] for name in layer.names}
    parts: list[tuple[list[float], list[float]]] = []
    for _ in range(effort.rounds):
        order = [*layer.names, WHOLE]
        shuffled.shuffle(order)
        for name in order:
            if name == WHOLE:
                parts.append(_parts_s(torch, layer, effort))
            else:
                runs[name].append(_runs_s(torch, lambda name=name: layer.run_operation(name), effort))  # type: ignore[misc]
    moe = [moe for _, moe in parts] if any(kernel.in_moe for kernel in layer.kernels) else None
    return LayerTiming(
        operations={name: Rounds.of(found) for name, found in runs.items()},
        before=Rounds.of([before for before, _ in parts]),
        moe=None if moe is None else Rounds.of(moe),
    )


def _runs_s(torch: Any, run: Callable[[], None], effort: Effort) -> list[float]:
    """Seconds of each timed run of one operation."""
    for _ in range(effort.warmups):
        run()
    times = []
    for _ in range(effort.repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(_HOLD_CYCLES)
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return times


def _parts_s(torch: Any, layer: TorchLayer, effort: Effort) -> tuple[list[float], list[float]]:
    """Seconds of both parts of every layer in chains of layers."""
    before: list[float] = []
    moe: list[float] = []
    for repeat in range(1 + effort.repeats):
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(2 * effort.chain + 1)]
        torch.cuda._sleep(_HOLD_PART_CYCLES)
        marks[0].record()
        for number in range(effort.chain):
            layer.run(in_moe=False)
            marks[2 * number + 1].record()
            layer.run(in_moe=True)
            marks[2 * number + 2].record()
        marks[-1].synchronize()
        if repeat:  # the first chain warms up
            spans = [a.elapsed_time(b) / 1e3 for a, b in pairwise(marks)]
            before += spans[::2]
            moe += spans[1::2]
    return before, moe


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 2)
