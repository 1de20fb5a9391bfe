"""Answers that arrive: each knows more than the one before, a limit only cuts them short, and the last is complete."""

from __future__ import annotations

import json
import math
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwdp_sim.advice import trials
from dwdp_sim.advice.advice import Advice, answers, current_candidate
from dwdp_sim.advice.advice_json import advice_content
from dwdp_sim.advice.findings import Effort
from dwdp_sim.advice.provenance import evidence
from dwdp_sim.advice.search import search
from dwdp_sim.advice.trial import Baseline
from dwdp_sim.advice.trials import TimeIsUp, Trials
from dwdp_sim.advice.verdict import verdict
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, WALKS, Hypothesis
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve

EFFORT = Effort(12, (0, 1), 1, 0)
JOB = build_steps_job(resolve(preset({}, workload="iteration", strategy="default")))
ONE = Hypothesis("1 source; fair", WALKS["1 source"])


def content(advice: Advice) -> dict[str, Any]:
    """All that is written of an answer, but for the time it took."""
    found = evidence(Baseline.of(JOB), current_candidate(JOB))
    return json.loads(json.dumps(advice_content(JOB, "", advice, found) | {"wall_s": 0.0}))


@pytest.fixture(scope="module")
def every() -> list[Advice]:
    return list(answers(JOB, EFFORT))


def test_each_answer_has_looked_at_more_than_the_one_before_and_the_last_at_everything(every: list[Advice]) -> None:
    assert every[0].missing == ["hypotheses", "candidates", "steps", "turning", "slices", "host", "placements"]
    assert every[-1].missing == []
    for before, after in pairwise(every):
        assert set(after.missing) < set(before.missing)
        assert set(after.findings.unseen) <= set(before.findings.unseen)
        assert len(after.findings.rows) >= len(before.findings.rows)
        assert set(after.findings.states) == set(before.findings.states)


def test_an_early_answer_says_over_how_much_and_never_that_this_is_everything(every: list[Advice]) -> None:
    states = len(every[0].findings.states)
    first = verdict(every[0].findings, every[0].own)[0]
    assert first.startswith(f"So far, over 3 of {states} hypotheses (12 MoE layers")
    for answer in every:
        sentences = " ".join(verdict(answer.findings, answer.own))
        assert ("So far" in sentences) == ("steps" in answer.missing)
        assert ("over what is not known" in sentences) <= (not answer.findings.missing)
        found = content(answer)
        assert found["complete"] == (answer is every[-1])
        assert [found[key] is None for key in ("turning", "slices", "host", "placements")] == [
            key in answer.missing for key in ("turning", "slices", "host", "placements")
        ]


def test_what_was_told_early_changes_nothing_of_the_outcome(every: list[Advice]) -> None:
    baseline, states = Baseline.of(JOB), every[-1].findings.states
    in_reverse = Trials(baseline, None)  # has run something else before
    *_, _ = search(in_reverse, current_candidate(JOB), states[:1], EFFORT)
    *_, last = search(in_reverse, current_candidate(JOB), states, EFFORT)
    assert last == every[-1].findings


@settings(max_examples=6, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(checks=st.integers(0, 1500))
def test_a_limit_leaves_the_same_answers_that_would_have_come_without_one(every: list[Advice], checks: int) -> None:
    left = [checks]

    def count_down(ends_at: float) -> None:
        left[0] -= math.isfinite(ends_at)
        if left[0] < 0:
            raise TimeIsUp

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trials, "_check_time", count_down)
        found = list(answers(JOB, EFFORT, ends_at=1.0))
    assert 1 <= len(found) <= len(every)
    assert [content(one) for one in found] == [content(one) for one in every[: len(found)]]
    assert (len(found) == len(every)) == (left[0] >= 0)


def test_one_answer_comes_however_little_time_there_is() -> None:
    (only,) = answers(JOB, EFFORT, ends_at=time.monotonic() - 1.0)
    assert only.findings.today


def test_simulations_stop_when_time_is_up_and_what_has_run_is_kept() -> None:
    runner = Trials(Baseline.of(JOB), None)
    *_, last = search(runner, current_candidate(JOB), [AS_CONFIGURED], EFFORT)
    runner.ends_at = time.monotonic()
    *_, again = search(runner, current_candidate(JOB), [AS_CONFIGURED], EFFORT)  # runs nothing anew
    assert again == last
    with pytest.raises(TimeIsUp):
        next(search(runner, current_candidate(JOB), [AS_CONFIGURED, ONE], EFFORT))
