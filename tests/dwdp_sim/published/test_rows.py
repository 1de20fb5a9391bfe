"""The published figures about DWDP that the model must come near, without a constant fitted to them."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dwdp_sim.published.assumptions import all_assumptions
from dwdp_sim.published.cases import Case, scenario_of
from dwdp_sim.published.gains import BY_ISL, gain_cases, gain_rows, isl_case, mitigation, sglang_cases, sglang_rows
from dwdp_sim.published.row import PublishedRow, Ranged, published_row
from dwdp_sim.published.rows import fast_rows
from dwdp_sim.published.trials import Trials, simulate
from dwdp_sim.steps.scenario import dep_baseline, draw

DATA = Path(__file__).parents[3] / "docs/data/published.json"
R1, GPT_OSS = isl_case(8192).model, sglang_cases()[0].model
NO_GAIN = 0.1  # percent; a published gain of no more has no sign


@functools.cache
def fast() -> dict[str, PublishedRow]:
    return {row.what: row for row in fast_rows()}


def of(prefix: str) -> list[PublishedRow]:
    return [row for what, row in fast().items() if what.startswith(prefix)]


def test_compute_over_prefetch_is_within_5_percent_of_the_roofline_and_crosses_one_between_8k_and_16k() -> None:
    rows = of("roofline: compute ÷ prefetch")
    assert max(abs(row.difference) for row in rows) < 0.05
    assert [row.predicted > 1 for row in rows] == [False, False, True, True]


def test_dep_over_dwdp_is_within_10_percent_from_8k_up() -> None:
    assert max(abs(row.difference) for row in of("roofline: DEP ÷ DWDP") if "1024" not in row.what) < 0.10


@pytest.mark.parametrize(
    ("kind", "near"),
    [("grouped GEMM", 0.15), ("attention + dense GEMM", 0.15), ("communication", 0.15), ("iteration", 0.10)],
)
def test_the_breakdown_under_dep_is_near(kind: str, near: float) -> None:
    assert abs(fast()[f"DEP4: {kind}"].difference) < near


def test_parts_of_the_iteration_under_dep_add_up() -> None:
    parts = ("grouped GEMM", "attention + dense GEMM", "others", "communication", "synchronisation")
    total = sum(fast()[f"DEP4: {part}"].predicted for part in parts)
    assert total == pytest.approx(fast()["DEP4: iteration"].predicted, rel=1e-3)


def test_the_shown_rows_are_what_is_predicted_now() -> None:
    shown = {row["what"]: row for row in json.loads(DATA.read_text(encoding="utf-8"))}
    for what, row in fast().items():
        assert shown[what]["predicted"] == pytest.approx(row.predicted, rel=1e-6), f"{what}: run make published figures"


@pytest.mark.parametrize("case", [*(isl_case(isl) for isl in BY_ISL), *sglang_cases()])
def test_undisturbed_windows_say_that_dwdp_is_faster_where_that_was_published(case: Case) -> None:
    scenario = scenario_of(case)
    drawn = draw(scenario, 0)
    windows, counted = drawn.windows, slice(scenario.workload.warmup, None)
    step_s = (windows.lead_s + (windows.before_s + windows.moe_s).sum(axis=2))[:, counted].mean()
    dep = dep_baseline(scenario, [drawn])
    assert dep is not None
    assert dep[0].total_s > step_s


def test_a_range_compares_an_assumption_with_the_same_seeds() -> None:
    found = Ranged.drawn([1.0, 3.0, 5.0], [("a", [0.5, 2.5]), ("b", [1.1, 3.1])])
    assert (found.value, found.low, found.high) == pytest.approx((3.0, 2.5, 3.1))
    assert found.decides == "a"


def test_nothing_decides_where_nothing_moves() -> None:
    assert Ranged.exact(2.0, [("a", 2.0)]).decides == Ranged.exact(2.0).decides == ""


def test_a_row_is_shown_in_its_unit() -> None:
    row = published_row("a", "%", 10.0, Ranged(0.08, 0.01, 0.07, 0.12, "b", 0.2), "c")
    assert (row.predicted, row.half_width, row.low, row.high, row.undisturbed) == pytest.approx((8, 1, 7, 12, 20))
    assert row.difference == pytest.approx(-2)
    assert row.in_range


def simulated(cases: Sequence[Case], *, seeds: int, ranged: bool = False) -> Trials:
    assumptions = all_assumptions() if ranged else ()
    return simulate(cases, {R1: assumptions, GPT_OSS: assumptions}, None, seeds=seeds, changed_seeds=2 if ranged else 1)


@pytest.mark.long
def test_gains_are_within_5_points_and_of_the_published_sign() -> None:
    rows = gain_rows(simulated(gain_cases(), seeds=3))
    over_dep = [row for row in rows if row.what.startswith("DWDP over DEP")]
    assert len(over_dep) == 14
    assert max(abs(row.difference) for row in over_dep) < 5
    assert all(row.predicted * row.published > 0 for row in rows if abs(row.published) > NO_GAIN)


@pytest.mark.long
def test_sglang_gains_have_the_published_sign() -> None:
    rows = sglang_rows(simulated(sglang_cases(), seeds=2))
    assert all(row.predicted > 5 for row in rows)


@pytest.mark.long
def test_the_published_mitigation_lies_in_a_range_of_less_than_15_points() -> None:
    what = "batched over default: 16384 tokens, 0.5"
    case = Case(8192, 0.5, 16384)
    trials = simulated([case, case.batched], seeds=4, ranged=True)
    found = mitigation(trials, case)
    shown = {row["what"]: row for row in json.loads(DATA.read_text(encoding="utf-8"))}[what]
    assert found.low < shown["published"] / 100 < found.high
    assert found.high - found.low < 0.15
