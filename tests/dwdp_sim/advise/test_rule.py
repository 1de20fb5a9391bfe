"""The rule of thumb, on simulated points that did not find it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.advise.rule import RULE, pays, pays_below, take_batched

ROOT = Path(__file__).resolve().parents[3]
WORTH_IT = 0.01


@pytest.fixture(scope="module")
def held_out() -> list[dict[str, Any]]:
    """The odd points; even ones were looked at while the rule was made (benchmarks/contention_rule.py)."""
    lines = (ROOT / "docs/data/contention_rule.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["number"] % 2]


def share_right(answers: list[tuple[bool, bool]]) -> float:
    return sum(said == true for said, true in answers) / len(answers)


def test_it_says_where_batching_gains_a_percent(held_out: list[dict[str, Any]]) -> None:
    hidden = [row for row in held_out if row["issue_slice_s"] is None]
    answers = [
        (pays(row["window_ratio"], row["dwdp_size"], row["in_flight_sources"]), row["gain"] > WORTH_IT)
        for row in hidden
        if abs(row["gain"] - WORTH_IT) > row["half_width"]  # else the simulations themselves do not tell
    ]
    assert len(answers) > 80
    assert 0.3 < sum(true for _, true in answers) / len(answers) < 0.7  # no constant answer is right
    assert share_right(answers) >= 0.95


def test_it_says_which_of_the_two_to_take(held_out: list[dict[str, Any]]) -> None:
    answers = [
        (
            take_batched(
                row["window_ratio"], row["dwdp_size"], row["in_flight_sources"],
                row["issue_slice_s"] is None or row["ahead"],
            ),
            row["gain"] > 0,
        )
        for row in held_out
        if abs(row["gain"]) > row["half_width"]
    ]  # fmt: skip
    assert len(answers) > 100
    assert share_right(answers) >= 0.95
    assert share_right(answers) > share_right([(True, true) for _, true in answers])  # always batched


def test_two_ranks_do_not_share_a_source() -> None:
    assert pays_below(2) == 0.0
    assert not pays(0.2, 2, 4)
    assert [pays_below(ranks) for ranks in (3, 4, 8)] == [1.75, 2.0, 3.0]


def test_the_front_page_quotes_it() -> None:
    for page in ("README.md", "docs/advice.md"):
        words = " ".join((ROOT / page).read_text(encoding="utf-8").replace("\n> ", " ").replace("`", "").split())
        assert RULE.replace("`", "") in words, page
