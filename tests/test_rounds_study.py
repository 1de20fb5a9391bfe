"""How small a change three rounds find: the recorded study, and a shorter one now."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "studies"))
import rounds  # noqa: E402

Line = dict[str, Any]


def share(lines: list[Line], what: str, change: float | None = None, number: int = 3) -> float:
    """The part of the repeats in which something was found."""
    (line,) = (
        line
        for line in lines
        if line["planted"] == what and line["rounds"] == number and change in (None, line["change"])
    )
    return float(line["found"] / line["repeats"])


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(rounds.DATA.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("what", ["rate", "gap", "host cost"])
@pytest.mark.parametrize("change", rounds.PROMISED)
def test_three_rounds_found_a_change_of_rate_gaps_or_host_costs(
    what: str, change: float, recorded: dict[str, Any]
) -> None:
    assert share(recorded["lines"], what, change) >= rounds.POWER


def test_nothing_and_a_slow_stretch_seldom_raised_an_alarm(recorded: dict[str, Any]) -> None:
    for number in rounds.ROUNDS:
        assert share(recorded["lines"], "nothing", number=number) <= rounds.MOST_FALSE
        assert share(recorded["lines"], "slow stretch", number=number) <= rounds.MOST_FALSE


def test_a_change_of_single_copies_alone_stays_hidden_as_the_page_says(recorded: dict[str, Any]) -> None:
    for number in rounds.ROUNDS:
        assert share(recorded["lines"], "single copies", 0.05, number) < 0.5


@pytest.mark.long
def test_a_shorter_study_says_the_same_now() -> None:
    lines = rounds.study(60, (3,), (0.02,))
    for what in ("rate", "gap", "host cost"):
        assert share(lines, what, 0.02) >= rounds.POWER - 0.05  # of sixty repeats
    for what in ("nothing", "slow stretch"):
        assert share(lines, what) <= rounds.MOST_FALSE + 0.03


def test_the_picture_has_a_line_for_each_number_of_rounds(recorded: dict[str, Any]) -> None:
    figure = rounds.draw(recorded["lines"])
    assert [axis.get_title() for axis in figure.axes] == list(rounds.PLANTED)
    for axis in figure.axes:
        assert len(axis.get_legend_handles_labels()[0]) == len(rounds.ROUNDS)
        assert all(len(line.get_xdata()) == 1 + len(rounds.CHANGES) for line in axis.lines[: len(rounds.ROUNDS)])  # type: ignore[arg-type]
