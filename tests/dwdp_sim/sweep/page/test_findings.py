"""What a sweep found, by hand on small tables, and laws that hold on any."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.sweep.page.factors import Factor
from dwdp_sim.sweep.page.findings import CLOSE, case_table, effects, standings, winners
from dwdp_sim.sweep.page.headline import verdict
from dwdp_sim.sweep.page.measures import Measure
from dwdp_sim.sweep.page.sweep_jobs import SweepJobs, read_jobs
from tests.dwdp_sim.sweep.page.sweeps import LAYER, write_sweep

TIME = Measure("time_s", "time", low="low_s", high="high_s")


def factors_of(frame: pd.DataFrame, *names: str) -> list[Factor]:
    found = []
    for name in names:
        values = sorted(frame[name].unique().tolist())
        found.append(Factor(name, "", tuple(values), tuple(values.index(value) for value in frame[name])))
    return found


def small() -> pd.DataFrame:
    """Two strategies, two sizes of group, two seeds; seconds. The ranges of N = 4 touch, those of N = 8 do not."""
    lines = [
        # strategy, N, seed, time, low, high
        ("a", 4, 0, 10.0, 9.0, 11.0),
        ("a", 4, 1, 12.0, 11.0, 13.0),  # mean of seeds: 11, from 10 to 12
        ("b", 4, 0, 9.0, 8.0, 10.0),
        ("b", 4, 1, 11.0, 10.0, 13.0),  # 10, from 9 to 11.5
        ("a", 8, 0, 20.0, 19.0, 21.0),
        ("b", 8, 0, 30.0, 29.0, 31.0),
    ]
    return pd.DataFrame(lines, columns=["strategy", "dwdp_size", "seed", "time_s", "low_s", "high_s"])


def test_an_effect_is_the_change_with_all_else_equal_and_seeds_averaged() -> None:
    factors = factors_of(small(), "strategy", "dwdp_size", "seed")
    first, second = effects(case_table(small(), factors, TIME), factors)
    assert (first.factor.name, first.value, first.reference, first.cases) == ("strategy", "b", "a", 2)
    # N = 4: 10 ÷ 11 − 1 = −1/11; N = 8: 30 ÷ 20 − 1 = +1/2; the median of two is their mean
    assert first.low == pytest.approx(-1 / 11)
    assert first.high == pytest.approx(0.5)
    assert first.median == pytest.approx((0.5 - 1 / 11) / 2)
    assert (first.sure, first.ranged) == (1, 2)
    # from N = 4 to 8, strategy a: 20 ÷ 11 − 1; strategy b: 30 ÷ 10 − 1 = 2
    assert (second.factor.name, second.is_choice) == ("dwdp_size", False)
    assert (second.low, second.high) == (pytest.approx(20 / 11 - 1), pytest.approx(2.0))


def test_standings_and_winners_name_the_best_of_each_situation() -> None:
    factors = factors_of(small(), "strategy", "dwdp_size", "seed")
    cases = case_table(small(), factors, TIME)
    # a is best at N = 8 and 10 % behind at 4; b best at 4 and 50 % behind at 8
    assert [(one.choice, one.best, one.situations) for one in standings(cases, factors)] == [("a", 1, 2), ("b", 1, 2)]
    assert [one.worst for one in standings(cases, factors)] == [pytest.approx(0.1), pytest.approx(0.5)]
    assert [(one.situation, one.choice, one.time_s) for one in winners(cases, factors)] == [
        (("4",), "b", pytest.approx(10.0)),
        (("8",), "a", 20.0),
    ]


def test_below_three_ranks_no_unmeasured_rule_can_make_an_order_unsure() -> None:
    frame = small().assign(dwdp_size=2, low_s=None, high_s=None, seed=range(6)).iloc[[0, 2]]
    factors = factors_of(frame, "strategy")
    (one,) = effects(case_table(frame, factors, TIME), factors)
    assert (one.sure, one.ranged) == (1, 1)
    three = frame.assign(dwdp_size=3)
    (one,) = effects(case_table(three, factors, TIME), factors)
    assert (one.sure, one.ranged) == (0, 0)


def test_a_strategy_is_compared_at_its_best_slices() -> None:
    lines = [("default", None, 10.0), ("batched", 1, 12.0), ("batched", 2, 8.0)]
    frame = pd.DataFrame(lines, columns=["strategy", "slice_bytes", "time_s"]).assign(dwdp_size=2)
    strategy = Factor("strategy", "", ("default", "batched"), (0, 1, 1))
    slices = Factor("slice_bytes", "", (1, 2, None), (2, 0, 1))
    found = effects(case_table(frame, [strategy, slices], Measure("time_s", "time")), [strategy, slices])
    assert [(one.factor.name, one.median) for one in found] == [
        ("strategy", pytest.approx(-0.2)),
        ("slice_bytes", pytest.approx(8 / 12 - 1)),
    ]


@st.composite
def tables(draw: st.DrawFn) -> tuple[pd.DataFrame, list[Factor]]:
    """Times of every combination of some strategies, slots and sizes of group, some combinations missing."""
    counts = [draw(st.integers(1, 3)) for _ in range(3)]
    combinations = list(itertools.product(*map(range, counts)))
    kept = draw(st.lists(st.sampled_from(combinations), min_size=1, unique=True))
    frame = pd.DataFrame(kept, columns=["strategy", "slots", "dwdp_size"])
    times = draw(st.lists(st.floats(1e-6, 1e-2), min_size=len(kept), max_size=len(kept)))
    frame["time_s"], frame["strategy"] = times, frame["strategy"].map(lambda code: f"s{code}")
    return frame, factors_of(frame, "strategy", "slots", "dwdp_size")


@given(tables())
def test_winners_are_never_beaten_and_standings_count_them(table: tuple[pd.DataFrame, list[Factor]]) -> None:
    frame, factors = table
    cases = case_table(frame, factors, Measure("time_s", "time"))
    best = winners(cases, factors)
    for one in best:
        own = frame[frame["dwdp_size"].astype(str) == one.situation[0]]["time_s"]
        assert one.time_s == own.min()
        assert one.choices == len(own) > 1
        assert one.near == (own <= own.min() * (1 + CLOSE)).sum() - 1
    ranked = standings(cases, factors)
    assert sum(one.best for one in ranked) == sum(one.near + 1 for one in best)
    assert all(0 <= one.best <= one.situations <= len(best) for one in ranked)
    assert all(one.worst <= CLOSE for one in ranked if one.best == one.situations)


@given(tables())
def test_effects_lie_between_the_extreme_ratios_and_in_order(table: tuple[pd.DataFrame, list[Factor]]) -> None:
    frame, factors = table
    widest = frame["time_s"].max() / frame["time_s"].min()
    for one in effects(case_table(frame, factors, Measure("time_s", "time")), factors):
        assert 1 / widest - 1 <= one.low * (1 + 1e-12) + 1e-12
        assert one.low <= one.median <= one.high <= widest - 1 + 1e-9
        assert 0 <= one.sure <= one.ranged <= one.cases


def found(jobs: SweepJobs, *names: str) -> str:
    factors = factors_of(jobs.finished, *names)
    cases = case_table(jobs.finished, factors, TIME)
    return verdict(jobs, factors, TIME, standings(cases, factors), effects(cases, factors))


def test_the_verdict_says_what_is_best_and_where_nothing_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    jobs = read_jobs(write_sweep(tmp_path_factory.mktemp("sweep"), [LAYER]))

    def of(frame: pd.DataFrame) -> SweepJobs:
        return SweepJobs(jobs.path, frame, jobs.failed, jobs.ranks)

    text = found(of(small()), "strategy", "dwdp_size", "seed")
    assert text.startswith("No choice is best throughout. Most often within 1 % of the best, in 1 of 2 cases (ranks N)")
    assert "a; at worst 10.0 % behind." in text
    # without N = 4 only a is best: 20 s against 30 s
    assert found(of(small()[4:]), "strategy", "dwdp_size") == (
        "Within 1 % of the best: a, of 2 choices. Strategy b takes 50.0 % more time than a."
    )
    equal = small()[4:].assign(time_s=20.0, low_s=20.0, high_s=20.0)
    assert found(of(equal), "strategy") == "The 2 choices are within 1 % of one another."
    assert found(of(small()[4:5]), "seed") == "Time: 20 s to 20 s in 1 job."
