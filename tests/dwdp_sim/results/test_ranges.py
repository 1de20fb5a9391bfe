"""No figure lies outside the range over what is unmeasured that stands beside it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dwdp_sim as dwdp
from dwdp_sim.advice.advice import possible_states
from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.advice.findings import Effort
from dwdp_sim.advice.search import search
from dwdp_sim.advice.trials import Trials
from dwdp_sim.app import main
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.hypotheses import Variant
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.kinds import DEFAULT
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.results.predict import predict
from dwdp_sim.results.predict_steps import predict_iteration, summary_of_steps
from dwdp_sim.results.summary import LatencyRange, LayerSummary, latency_range
from tests.dwdp_sim.advice.bases import small_baseline
from tests.dwdp_sim.composing import job
from tests.dwdp_sim.programs import program
from tests.dwdp_sim.random_programs import queues

CONSTANTS = job().constants
LITE = ("model=deepseek_v3_lite_nvfp4", "strategy.slice_bytes=8MiB", "engine=compiled")
STEPS = ("workload=iteration", "model.num_layers=4", "model.num_moe_layers=3", "workload.iterations=1", "workers=1")


def ranged(elapsed_s: Floats, **under: Floats) -> LatencyRange:
    """The range of a job; the first of the machines is what is configured."""
    machines = [(Variant((name,), CONSTANTS, FabricOptions()), found_s) for name, found_s in under.items()]
    found = latency_range(elapsed_s, machines)
    assert found is not None
    return found


def within(span: tuple[float, float], value: float) -> bool:
    low, high = span
    return low <= value <= high


def test_a_range_spans_all_machines_figure_by_figure_and_names_the_ends() -> None:
    # Two draws of two ranks on two machines: means 2.5 and 2, largest 4 and 2.
    configured = np.array([[1.0, 4.0], [3.0, 2.0]])
    found = ranged(configured, configured=configured, fast=np.array([[2.0, 2.0], [2.0, 2.0]]))
    assert (found.mean, found.max) == ((2.0, 2.5), (2.0, 4.0))
    assert found.each == [(2.0, 2.0), (2.0, 3.0)]
    assert (found.lowest, found.highest, found.draws) == ("fast", "configured", 2)
    assert [row.mean_s for row in found.under] == [2.5, 2.0]
    assert list(found.to_dict("streams"))[:5] == ["mean", "p50", "p95", "max", "streams"]


def test_a_range_of_fewer_draws_is_one_around_the_figures_of_all() -> None:
    # As configured, draws of two ranks have means 2, 4, 6 and 8: 5 in all, and 3 over the two that every machine has.
    configured = np.array([[1.0, 3.0], [3.0, 5.0], [5.0, 7.0], [7.0, 9.0]])
    # This machine takes 1 s more in either draw: 5 + 1 in the mean, ranks 4 + 1 and 6 + 1, the longest 9 + 1. The means
    # of its draws are 3 and 5, of the differences 1 and 1: it follows.
    longer = np.array([[2.0, 4.0], [4.0, 6.0]])
    # This one does not care when ranks start: it takes 2 and 3 s in either draw, a mean of 2.5, the longest 3. Moved by
    # what it takes less than the two configured draws, 3 − 2.5, it would take 4.5 s, which it never does.
    steady = np.array([[2.0, 3.0], [2.0, 3.0]])
    found = ranged(configured, configured=configured[:2], longer=longer, steady=steady)
    assert [row.mean_s for row in found.under] == [5.0, 6.0, 2.5]
    assert found.mean == (2.5, 6.0)
    assert found.each == [(2.0, 5.0), (3.0, 7.0)]
    assert (found.p50, found.max) == ((2.5, 6.0), (3.0, 10.0))
    assert (found.lowest, found.highest, found.draws) == ("steady", "longer", 2)


def test_a_single_draw_cannot_say_that_a_machine_follows() -> None:
    # The configured draw that both have took 2 s less than the mean of 4; the machine has its own 3, not 3 + 2.
    found = ranged(np.array([[2.0], [6.0]]), configured=np.array([[2.0]]), other=np.array([[3.0]]))
    assert found.mean == (3.0, 4.0)


@st.composite
def some_draws(draw: st.DrawFn) -> tuple[Floats, list[Floats]]:
    """Times of all draws as configured, and of the first few on some machines, what is configured first."""
    draws, streams, machines = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    shared = draw(st.integers(1, draws))

    def times_s(count: int) -> Floats:
        rows = st.lists(st.floats(0.0, 0.1), min_size=streams, max_size=streams)
        return np.array(draw(st.lists(rows, min_size=count, max_size=count)))

    configured_s = times_s(draws)
    return configured_s, [configured_s[:shared], *(times_s(shared) for _ in range(machines - 1))]


@given(some_draws())
def test_whatever_was_drawn_every_figure_lies_in_its_range(drawn: tuple[Floats, list[Floats]]) -> None:
    configured_s, runs_s = drawn
    found = ranged(configured_s, **{str(place): run_s for place, run_s in enumerate(runs_s)})
    assert within(found.mean, float(configured_s.mean()))
    assert within(found.p50, float(np.percentile(configured_s, 50)))
    assert within(found.p95, float(np.percentile(configured_s, 95)))
    assert within(found.max, float(configured_s.max()))
    assert all(map(within, found.each, configured_s.mean(axis=0).tolist()))
    means = {row.hypotheses[0]: row.mean_s for row in found.under}
    assert means["0"] == float(configured_s.mean())
    assert (means[found.lowest], means[found.highest]) == found.mean == (min(means.values()), max(means.values()))
    assert min(means.values()) >= 0.0


@settings(max_examples=20)
@given(
    strategy=st.sampled_from(["default", "batched", "ring", "waves"]),
    ranks=st.integers(2, 8),
    draws=st.integers(1, 12),
    start=st.sampled_from(["random", "lockstep"]),
    sources=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_the_figures_of_any_layer_lie_in_their_ranges(
    strategy: str, ranks: int, draws: int, start: str, sources: int, seed: int
) -> None:
    machine = (f"dwdp.dwdp_size={ranks}", f"cluster.constants.in_flight_sources.value={sources}")
    load = (f"workload.draws={draws}", f"workload.start={start}", f"seed={seed}")
    _, summary = predict(job(f"strategy={strategy}", *LITE, *machine, *load))
    assert isinstance(summary, LayerSummary)
    found = summary.range_s
    assert found is not None
    for name in ("mean", "p50", "p95", "max"):
        assert within(getattr(found, name), getattr(summary.prefetch_latency_s, name))
    assert all(map(within, found.each, [rank.prefetch_latency_s for rank in summary.ranks]))


@settings(max_examples=25)
@given(asked=queues(), draws=st.integers(1, 12), seed=st.integers(0, 99))
def test_the_figures_of_any_copy_program_lie_in_their_ranges(asked: Any, draws: int, seed: int) -> None:
    found = dwdp.replay(program(*asked), starts=dwdp.Starts(draws=draws), seed=seed)
    assert found.range_s is not None
    assert within(found.range_s, found.latency_s)
    assert found.summary.range_s is not None
    assert all(map(within, found.summary.range_s.each, found.table()["latency_s"]))


@settings(max_examples=8)
@given(
    strategy=st.sampled_from(["default", "batched"]),
    tokens=st.sampled_from([1024, 4096]),
    replications=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_the_figures_of_any_forward_steps_lie_in_their_ranges(
    strategy: str, tokens: int, replications: int, seed: int
) -> None:
    load = (f"workload.isl={tokens}", f"workload.max_num_tokens={tokens}", f"seed={seed}")
    built = job(f"strategy={strategy}", *LITE, *STEPS, *load)
    summary = summary_of_steps(built, predict_iteration(built, replications=replications, processes=1))
    assert summary.range_s is not None
    for name in ("iteration_s", "prefetch_latency_s", "bubble_s"):
        assert within(getattr(summary.range_s, name), summary.figures[name].mean)
    assert summary.dep is not None
    assert summary.dep.gain_range is not None
    assert within(summary.dep.gain_range, summary.dep.gain.mean)


def test_the_gains_of_an_advice_lie_in_their_ranges_from_its_first_answer_on() -> None:
    # Three seeds as configured, and fewer in every other state.
    baseline, current = small_baseline(), Candidate(Strategy(DEFAULT), False)
    states = possible_states(baseline, current)
    for findings in search(Trials(baseline, None), current, states, Effort(2, (0, 1, 2), 10**5)):
        assert len(findings.rows) > 1
        assert all(within(row.gain_range, row.gain.mean) for row in findings.rows)
    assert all(len(row.gains) > 1 for row in findings.rows)


def test_eight_ranks_with_default_copies_have_a_mean_in_the_range_that_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What ranks lose here differs by 3 % from draw to draw, and the first three draws lose more than all eight.
    command = ["dwdp-sim", "strategy=default", "dwdp.dwdp_size=8", f"hydra.run.dir={tmp_path}"]
    monkeypatch.setattr(sys, "argv", command)
    main()
    row = re.compile(r"^ +(?:\d|mean) +([\d.]+) ms .* ([\d.]+) ms – ([\d.]+) ms", re.MULTILINE)
    printed = [tuple(map(float, numbers)) for numbers in row.findall(capsys.readouterr().out)]
    assert len(printed) == 8 + 1
    assert all(within((low, high), value) for value, low, high in printed)
    summary = json.loads((tmp_path / "summary.json").read_text())
    figures, found = summary["prefetch_latency_s"], summary["range_s"]
    assert (summary["draws"], found["draws"]) == (8, 3)
    assert all(within(found[name], figures[name]) for name in ("mean", "p50", "p95", "max"))
    assert found["under"][0]["mean_s"] == figures["mean"]


def test_no_end_of_a_range_is_faster_than_its_links() -> None:
    # Of copies one source at a time, the first three draws lose more than all eight; all sources at a time lose nothing
    # in any draw. Less by what was lost in three, these would be faster than the links, which carry as much everywhere.
    one = "cluster.constants.in_flight_sources.value=1"
    _, summary = predict(job("strategy=batched", "strategy.slice_bytes=8MiB", "dwdp.dwdp_size=8", one, "seed=2"))
    assert isinstance(summary, LayerSummary)
    assert summary.range_s is not None
    assert summary.range_s.mean[0] > summary.basis.lower_bound_s
