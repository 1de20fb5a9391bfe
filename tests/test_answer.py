"""The README's answer and picture are what forward steps give under every hypothesis."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "studies"))
import answer  # noqa: E402
from conclusions import measure  # noqa: E402

GAINS = json.loads(answer.DATA.read_text(encoding="utf-8"))["gains"]


def test_no_hypothesis_shows_batches_to_lose_at_any_ratio() -> None:
    assert len(GAINS) == 22 * len(answer.RATIOS)
    assert [row for row in GAINS if row["gain"] + row["half_width"] < 0] == []


def test_from_a_ratio_of_two_and_a_half_on_no_hypothesis_makes_a_difference_of_one_per_cent() -> None:
    late = [row for row in GAINS if row["ratio"] >= 2.5]
    assert len(late) == 22 * 3
    assert max(abs(row["gain"]) + row["half_width"] for row in late) < 0.01


def test_below_a_ratio_of_one_the_gain_is_nothing_to_sixty_per_cent() -> None:
    early = [row["gain"] for row in GAINS if row["ratio"] < 1]
    assert min(early) < 0.01
    assert 0.55 < max(early) < 0.65


@pytest.mark.long
@pytest.mark.parametrize("ratio", [1.0, 1.7])
def test_the_committed_gains_are_those_of_today(ratio: float) -> None:
    committed = {row["hypothesis"]: row["gain"] for row in GAINS if row["ratio"] == ratio}
    found = {row.hypothesis: row.gain for row in measure("", replace(answer.SUBJECT, ratios=(ratio,)), [], None)}
    assert committed == pytest.approx({name: found[name] for name in committed}, abs=1e-4)
