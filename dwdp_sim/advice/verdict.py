"""Put the advice into one or two sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dwdp_sim.advice.break_even import BreakEven
from dwdp_sim.advice.candidates import Candidate, pair
from dwdp_sim.advice.findings import IN_WORDS, Findings, Part, Row
from dwdp_sim.advice.placements import PlacementRow
from dwdp_sim.advice.search import ALIKE
from dwdp_sim.base.units import format_bytes, format_seconds


def verdict(findings: Findings, own: PlacementRow) -> list[str]:
    """Return what to choose today and, if it is worth it, what a change of the engine would gain.

    Before the search has ended it is what is known so far, and over how much.

    Args:
        findings: Of the search.
        own: The user's placement.
    """
    if findings.missing:
        return [sentence for sentence in (_room(own), so_far(findings)) if sentence]
    sentences = [_room(own), _today(findings), _in_the_worst_case(findings)]
    best, today = findings.best, findings.today
    further = (1.0 + best.gain.mean) / (1.0 + today.gain.mean) - 1.0
    if best.changes and best.gain.excludes_zero and further > ALIKE:
        sentences.append(
            f"With a changed engine ({', '.join(best.changes)}), {best.candidate.label} takes "
            f"{format_seconds(best.iteration.mean)} ({percent_range(best)} over the same)."
        )
    return [sentence for sentence in sentences if sentence]


def _step(findings: Findings) -> str:
    if findings.layers < findings.of_layers:
        return f"{findings.layers} of a forward step's {findings.of_layers} MoE layers take"
    return "a forward step takes"


def _room(own: PlacementRow) -> str:
    if own.fits is not False:
        return ""
    return f"This does NOT fit: experts and slots alone take {format_bytes(own.memory_bytes)} of each GPU."


def _today(findings: Findings) -> str:
    current, today = findings.rows[0], findings.today
    if not current.candidate.strategy.engine.batches:
        batched = next(row for row in findings.rows if row.candidate == pair(current.candidate)[1])
        return (
            f"Nothing to choose today: {current.candidate.strategy.implementation} offers its default copies only. "
            f"A batched path would give {percent(batched)} tokens a second ({percent_range(batched)} over what is not "
            "known)."
        )
    name = _switch(today.candidate)
    if today is current:
        others = [row for row in findings.rows[1:] if not row.changes]
        real = [row for row in others if row.gain.excludes_zero and abs(row.gain.mean) >= ALIKE]
        if real:
            return f"Stay with {name}: {real[0].candidate.label} would give {percent(real[0])}."
        return f"Stay with {name}: for this load and machine it makes no difference."
    if not today.gain.excludes_zero:
        return (
            f"Take {name}, though as configured it makes no difference: it is never far from the best "
            f"({percent_range(today)} over what is not known)."
        )
    return (
        f"Take {name}: {_step(findings)} {format_seconds(today.iteration.mean)} instead of "
        f"{format_seconds(current.iteration.mean)}, {percent(today)} tokens a second, {percent_range(today)} over what "
        "is not known."
    )


def not_looked_at(missing: Sequence[Part]) -> str:
    """Return what an answer has not come to, as a sentence."""
    return f"Not looked at yet: {', '.join(IN_WORDS[part] for part in missing)}."


def so_far(findings: Findings) -> str:
    """Return what to choose by what is known before the search has ended, and how much that is."""
    states, current, today = len(findings.states), findings.rows[0], findings.today
    seen = f"{states - len(findings.unseen)} of {states} hypotheses"
    layers = f"{findings.layers} MoE layer{'s' if findings.layers > 1 else ''} of a step"
    scope = f"So far, over {seen} ({layers}, at most {current.iteration.count} seeds)"
    if not current.candidate.strategy.engine.batches:
        batched = next(row for row in findings.rows if row.candidate == pair(current.candidate)[1])
        return f"{scope}: nothing to choose today; a batched path {_gain_so_far(batched)}."
    others = [row for row in findings.rows[1:] if not row.changes]
    if today is not current:
        return f"{scope}: take {_switch(today.candidate)}; it {_gain_so_far(today)}."
    other = f"; {others[0].candidate.label} {_gain_so_far(others[0])}" if others else ""
    return f"{scope}: stay with {_switch(today.candidate)}{other}."


def _gain_so_far(row: Row) -> str:
    span = f"{percent_range(row)} so far"
    if row.gain.excludes_zero:
        return f"gives {percent(row)} tokens a second ({span})"
    return f"makes no difference as configured ({percent(row)}; {span})"


def _switch(candidate: Candidate) -> str:
    """TensorRT-LLM's setting for a candidate, or its label where there is none."""
    strategy = candidate.strategy
    for choice, text in zip(pair(candidate), ("contention_opt: false", "contention_opt: true"), strict=True):
        if (choice.strategy.kind, choice.strategy.slice_bytes) == (strategy.kind, strategy.slice_bytes):
            return text
    return candidate.label


def _in_the_worst_case(findings: Findings) -> str:
    today = findings.today
    if today is findings.rows[0]:
        return ""
    state = min(today.gains, key=lambda s: today.gains[s])
    lowest = today.gains[state]
    if lowest >= ALIKE:
        return ""
    what = "gains nothing" if lowest > -ALIKE else f"costs {-100 * lowest:.1f} %"
    return f"At worst, with {state.name}, it {what}" + (": nobody has measured that." if state.sample is None else ".")


def percent(row: Row) -> str:
    """Format the gain with its interval."""
    half = "" if math.isnan(row.gain.half_width) else f" ± {100 * row.gain.half_width:.1f}"
    return f"{100 * row.gain.mean:+.1f}{half} %"


def percent_range(row: Row) -> str:
    """Format the lowest and highest gain over the states."""
    low, high = row.gain_range
    return f"{100 * low:+.1f} to {100 * high:+.1f} %"


def break_even_lines(break_evens: Sequence[BreakEven]) -> list[str]:
    """Return lines that say from which ratio on batching no longer pays."""
    lines = []
    for turning in break_evens:
        if turning.begins_at is None or turning.ends_at is None:
            text = "batching gains nothing at any length of compute"
        else:
            span = _span(turning.begins_at, turning.ends_at, turning.ratios)
            most = f"{100 * max(gain.mean for gain in turning.gains):+.1f} %"
            text = f"batching pays while a layer's window is {span} × its uncontended prefetch, at most {most}"
        cost = f", and costs up to {100 * turning.costs:.1f} % elsewhere" if turning.costs >= ALIKE else ""
        lines.append(f"{turning.state.name}: {text}{cost}")
    if break_evens:
        first = break_evens[0]
        gains = (f"{ratio:g}: {100 * gain.mean:+.0f} %" for ratio, gain in zip(first.ratios, first.gains, strict=True))
        lines.append(f"its gain by window ÷ uncontended prefetch, {first.state.name}: {', '.join(gains)}")
    return lines


def _span(begins_at: float, ends_at: float, ratios: Sequence[float]) -> str:
    """Between which of the ratios that were looked at."""
    if f"{begins_at:.2f}" == f"{ends_at:.2f}":
        return f"about {ends_at:.2f}"
    begin = "" if begins_at == ratios[0] else f"above {begins_at:g}"
    end = "" if math.isinf(ends_at) else f"below {ends_at:.2f}"
    return " and ".join(part for part in (begin, end) if part) or f"anything up to {ratios[-1]:g}"
