"""Say in one line what would change the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from dwdp_sim.advice.advice import Advice
from dwdp_sim.advice.break_even import BreakEven
from dwdp_sim.advice.candidates import Candidate, pair
from dwdp_sim.advice.findings import Findings
from dwdp_sim.advice.search import ALIKE, choose
from dwdp_sim.advice.sensitivity import HostRow
from dwdp_sim.advice.state_words import in_words
from dwdp_sim.fabric.hypotheses import Hypothesis

_MOST_NAMED = 2  # hypotheses in one line


def what_would_change(advice: Advice, *, hides_host: bool) -> str:
    """Return what would change the answer, by what has been simulated.

    Args:
        advice: The answer.
        hides_host: Whether it was asked for with the host's time hidden.
    """
    findings = advice.findings
    current = findings.rows[0].candidate
    ends = batching_ends(advice.break_evens or ())
    if not current.strategy.engine.batches:
        return "" if ends is None else f"A batched path pays while compute is shorter than {_times(ends, advice)}."
    conditions = _under_hypotheses(_states_against(advice))
    conditions += _by_compute(advice, ends)
    if hides_host and advice.host and findings.today.candidate == advice.batched:
        conditions += _by_host(findings.today.candidate, advice.host)
    if conditions:
        *first, last = conditions
        return f"It would change if {', if '.join(first)}{', or if ' if first else ''}{last}."
    if findings.missing:
        return "Nothing that has been looked at so far would change it."
    extreme = len(findings.today.gains)
    return f"None of {len(findings.states)} hypotheses would change it, not even the {extreme} that came out extreme."


def _states_against(advice: Advice) -> list[Hypothesis]:
    """The states that would change the answer alone: by what was simulated at any length of compute, and at the user's.

    One that adds something to an earlier one says nothing more.
    """
    against = list[Hypothesis]()
    for state in (*states_without_gain(advice), *states_against(advice.findings)):
        if not any(f"; {state.name}".endswith(f"; {known.name}") for known in against):
            against.append(state)
    return against


def states_without_gain(advice: Advice) -> list[Hypothesis]:
    """Return the states in which batching, where it is to be taken instead of something else, gains nothing.

    They are among those for which it was simulated how long compute must be. The latest comparison says it better: its
    states are left out, and so are all others if it gains in the worst of its own.
    """
    current, today, ratio = advice.findings.rows[0].candidate, advice.findings.today, advice.load.ratio
    if not today.candidate == advice.batched != current or min(today.gains.values()) >= ALIKE:
        return []
    others = [one for one in advice.break_evens or () if one.state not in today.gains]
    return [one.state for one in others if one.ends_at is None or one.ends_at < ratio]


def states_against(findings: Findings) -> list[Hypothesis]:
    """Return the states, of those of the latest comparison, that would change the choice if they were known to be true.

    Those under which the choice of today is furthest from the best come first.
    """
    rows = [row for row in findings.rows if not row.changes]
    today = findings.today.candidate

    def chosen_under(state: Hypothesis) -> Candidate:
        return choose([replace(row, gains={state: row.gains[state]}) for row in rows]).candidate

    def lost(state: Hypothesis) -> float:
        return max(row.gains[state] for row in rows) - findings.today.gains[state]

    against = [state for state in findings.today.gains if chosen_under(state) != today]
    return sorted(against, key=lost, reverse=True)


def batching_ends(break_evens: Sequence[BreakEven]) -> float | None:
    """Return the ratio of compute to prefetch above which batching gains nothing in any state that was looked at.

    None where it gains nowhere, or without an end.
    """
    ends = [found.ends_at for found in break_evens if found.ends_at is not None]
    return max(ends) if ends and math.isfinite(max(ends)) else None


def _under_hypotheses(states: Sequence[Hypothesis]) -> list[str]:
    named = [in_words(state) for state in states[:_MOST_NAMED]]
    match len(states) - len(named):
        case 0:
            return named
        case 1:
            return [*named, in_words(states[-1])]
        case more:
            return [*named, f"one of {more} further hypotheses holds"]


def _by_compute(advice: Advice, ends: float | None) -> list[str]:
    """Longer compute hides what batching saves; shorter compute shows it, which counts where it costs nothing."""
    if ends is None or advice.break_evens is None:
        return []
    current, today = advice.findings.rows[0].candidate, advice.findings.today.candidate
    if today == advice.batched != current and advice.load.ratio < ends:
        return [f"compute were longer than {_times(ends, advice)}"]
    never_costs = all(found.costs < ALIKE for found in advice.break_evens)
    if today == current == pair(current)[0] and advice.load.ratio > ends and never_costs:
        return [f"compute were shorter than {_times(ends, advice)}"]
    return []


def _by_host(today: Candidate, host: Sequence[HostRow]) -> list[str]:
    """What a slice may cost a host that does not run ahead until batching is slower than the default copies."""
    slower = [
        row.issue_slice_s
        for row in host
        if row.slice_bytes == today.strategy.slice_bytes and row.behind.mean < -ALIKE and row.behind.excludes_zero
    ]
    return [f"the host did not run ahead and a slice cost it {1e6 * min(slower):g} µs"] if slower else []


def _times(ends: float, advice: Advice) -> str:
    return f"{ends:.3g} × the uncontended prefetch (yours: {advice.load.ratio:.3g} ×)"
