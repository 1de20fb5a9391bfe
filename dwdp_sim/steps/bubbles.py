"""Explain bubbles: why compute waited for experts, with the parts of the prefetch and the cause in one line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.units import format_seconds
from dwdp_sim.fabric.blame import OWN_LINKS
from dwdp_sim.plan.endpoints import HOST, endpoint_name
from dwdp_sim.steps.contention import Contention
from dwdp_sim.steps.step_timeline import StepTimeline

_PARTS = ("own_engine_s", "host_s", "gap_s", "contention_s")  # parts of a prefetch latency, besides the transfer
_WORTH_NAMING = 0.1  # readers that cost less than this share of the worst one's part go unnamed
_MOST_NAMED = 4


@dataclass(frozen=True)
class Bubble:
    """A layer whose compute waited for its experts.

    Attributes:
        rank, step, layer: Where.
        bubble_s: Seconds of waiting.
        latency_s: Its prefetch, which is the sum of the next five.
        own_engine_s, host_s, gap_s, transfer_s, contention_s: As in `step_timeline.StepTimeline`.
        source: Endpoint at which the prefetch lost most; None if it lost nothing, or if that is unknown.
        source_s: Seconds lost there.
        readers: GPUs that read it as well, the worst first; empty if its own links were busy both ways.
        cause: Why compute waited, for people; empty if it did not.
    """

    rank: int
    step: int
    layer: int
    bubble_s: float
    latency_s: float
    own_engine_s: float
    host_s: float
    gap_s: float
    transfer_s: float
    contention_s: float
    source: int | None
    source_s: float
    readers: tuple[int, ...]
    cause: str

    @property
    def reason(self) -> str:
        """One line that says how long compute waited, and why."""
        return f"waited {format_seconds(self.bubble_s)}: {self.cause}"


def worst_bubbles(timeline: StepTimeline, contention: Contention, count: int, *, from_layer: int = 0) -> list[Bubble]:
    """Return the longest waits for experts, longest first; equal ones by rank, step and layer.

    Args:
        timeline: The steps.
        contention: Their contention, split.
        count: At most so many.
        from_layer: Leave out the layers before this one. The first prefetch of a step has little or no compute to hide
            behind, so that layer 0 often fills the list.
    """
    bubble_s = timeline.bubble_s.copy()
    bubble_s[:, :, :from_layer] = 0.0
    order = np.argsort(-bubble_s.ravel(), kind="stable")[:count]
    places = zip(*(index.tolist() for index in np.unravel_index(order, bubble_s.shape)), strict=True)
    return [explain(timeline, contention, *place) for place in places if bubble_s[place] > 0.0]


def explain(timeline: StepTimeline, contention: Contention, rank: int, step: int, layer: int) -> Bubble:
    """Explain one layer's wait, if there was one, by what its prefetch did."""
    at = rank, step, layer
    parts = {name: float(getattr(timeline, name)[at]) for name in (*_PARTS, "transfer_s")}
    bubble_s = float(timeline.bubble_s[at])
    source, source_s, readers = _worst_source(contention, *at)
    return Bubble(
        rank=rank,
        step=step,
        layer=layer,
        bubble_s=bubble_s,
        latency_s=float(timeline.latency_s[at]),
        **parts,
        source=source,
        source_s=source_s,
        readers=tuple(readers),
        cause=_cause(timeline, contention, at, bubble_s, parts) if bubble_s > 0.0 else "",
    )


def _worst_source(
    contention: Contention, rank: int, step: int, layer: int
) -> tuple[int | None, float, dict[int, float]]:
    """The source at which most was lost, how much, and how much of it to whom, most first."""
    lost: dict[int, dict[int, float]] = defaultdict(dict)
    for source, reader, seconds in contention.of(rank, step, layer):
        lost[source][reader] = seconds
    if not lost:
        return None, 0.0, {}
    source = max(lost, key=lambda s: sum(lost[s].values()))
    readers = sorted(((r, s) for r, s in lost[source].items() if r != OWN_LINKS), key=lambda pair: -pair[1])
    return source, sum(lost[source].values()), dict(readers)


def _cause(
    timeline: StepTimeline, contention: Contention, at: tuple[int, int, int], bubble_s: float, parts: dict[str, float]
) -> str:
    """The largest part of what made the prefetch late.

    That is its transfer if most of the bubble would be there with nothing but the transfer. Host time in which compute
    waited for its launch, too, delayed both alike and made no bubble.
    """
    late = {name: parts[name] for name in _PARTS}
    late["host_s"] = max(late["host_s"] - _launch_wait_s(timeline, at), 0.0)
    largest = max(_PARTS, key=lambda name: late[name])
    if bubble_s - sum(late.values()) > bubble_s / 2:
        covered_s = max(parts["transfer_s"] + sum(late.values()) - bubble_s, 0.0)
        needed = f"the bytes alone take {format_seconds(parts['transfer_s'])}"
        return f"{needed}, compute covered {format_seconds(covered_s)}"
    seconds = format_seconds(late[largest])
    match largest:
        case "own_engine_s":
            return _engine_busy(timeline, contention, at, parts[largest])
        case "host_s":
            return f"for {seconds} the host had not issued its copies"
        case "gap_s":
            return f"{seconds} went by in gaps between its copies"
        case _:
            return _contention(contention, at)


def _launch_wait_s(timeline: StepTimeline, at: tuple[int, int, int]) -> float:
    """Seconds between the begin of a layer's prefetch and the need for it in which compute waited for a launch."""
    rank, step, layer = at
    ready_s = timeline.ready_s[rank, step, : layer + 1]
    until_s = ready_s + timeline.launch_wait_s[rank, step, : layer + 1]
    return float(np.maximum(until_s - np.maximum(ready_s, timeline.prefetch_begin_s[at]), 0.0).sum())


def _engine_busy(timeline: StepTimeline, contention: Contention, at: tuple[int, int, int], busy_s: float) -> str:
    """What the rank's engine did instead, and what held that up."""
    before = np.unravel_index(np.ravel_multi_index(at, timeline.bubble_s.shape) - 1, timeline.bubble_s.shape)
    rank, step, layer = (int(index) for index in before)
    text = f"for {format_seconds(busy_s)} its engine still fetched layer {layer}"
    if timeline.contention_s[before] >= busy_s / 2:
        return f"{text}, as {_contention(contention, (rank, step, layer))}"
    return f"{text}, which took {format_seconds(float(timeline.latency_s[before] - timeline.own_engine_s[before]))}"


def _contention(contention: Contention, at: tuple[int, int, int]) -> str:
    source, source_s, readers = _worst_source(contention, *at)
    if contention.unsplit:
        return f"{format_seconds(float(contention.rest_s[at]))} {contention.unsplit}"
    if source is None or source_s < contention.rest_s[at]:
        return f"{format_seconds(float(contention.rest_s[at]))} at the group's barriers or behind another stream"
    if source_s > 2 * sum(readers.values()):
        return "its links carried bytes the other way, too"
    named = [reader for reader, seconds in readers.items() if seconds >= _WORTH_NAMING * max(readers.values())]
    where = "host memory" if source == HOST else endpoint_name(source)
    return f"{where} was read by {_listed(named, len(contention.rest_s))} as well"


def _listed(gpus: Sequence[int], ranks: int) -> str:
    """`ranks 0 and 3`, `GPU 5`, `ranks 0, 1, 2, 5 and 7 others`: of many, the first ones."""
    noun = "rank" if all(gpu < ranks for gpu in gpus) else "GPU"
    names = [str(gpu) for gpu in sorted(gpus[:_MOST_NAMED])]
    if more := len(gpus) - len(names):
        names.append(f"{more} other{'s' if more > 1 else ''}")
    text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{noun}{'s' if len(names) > 1 else ''} {text}"
