"""Conclusions: the table of docs/hypotheses.md is what the data gives, and the README claims no more than holds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "studies"))
import conclusions  # noqa: E402
import conclusions_page  # noqa: E402

ROWS = conclusions.read_rows()
BY_TEXT = {sentence.text: sentence for sentence in conclusions.SENTENCES}


def test_the_table_of_the_page_is_what_the_data_gives() -> None:
    page = conclusions_page.PAGE.read_text(encoding="utf-8")
    assert conclusions_page.with_table(page, ROWS) == page


def test_every_sentence_speaks_of_gains_under_every_hypothesis_that_its_strategies_can_tell_apart() -> None:
    for sentence in conclusions.SENTENCES:
        found = conclusions_page.verdicts(sentence, ROWS)
        assert len(found) == 22, sentence.text
        assert all(found.values()), sentence.text


def test_a_sentence_holds_fails_or_is_left_open_by_the_intervals_of_its_gains() -> None:
    def row(gain: float, half_width: float) -> conclusions.Row:
        return conclusions.Row("R1 N=4", 0.8, "batched", "default", "h", gain, half_width)

    sentence = conclusions.Sentence("gains 1 % or more", ("batched",), (0.8, 0.8), low=0.01)
    assert conclusions.status(sentence, [row(0.05, 0.03)], "h") == "holds"
    assert conclusions.status(sentence, [row(-0.05, 0.03)], "h") == "fails"
    assert conclusions.status(sentence, [row(0.02, 0.03)], "h") == "open"
    assert conclusions.status(sentence, [row(0.05, 0.03), row(-0.05, 0.03)], "h") == "fails"
    assert conclusions.status(sentence, [row(0.05, 0.03)], "other") == ""


@pytest.mark.parametrize(
    "text",
    [
        "At 2.5 × the prefetch the two differ by less than 1 %.",
        "Slices of 256 KiB lose nothing against 2 MiB (1 %).",
        "Paced rounds lose no more than 5 % to batches at 0.8 ×.",
    ],
)
def test_what_the_readme_says_holds_under_every_hypothesis_does(text: str) -> None:
    assert set(conclusions_page.verdicts(BY_TEXT[text], ROWS).values()) == {"holds"}


def test_no_hypothesis_shows_batches_to_lose() -> None:
    sentence = BY_TEXT["With host time hidden, batched copies lose no more than 1 % to the default ones."]
    assert "fails" not in conclusions_page.verdicts(sentence, ROWS).values()


def test_larger_slices_lose_under_windows_of_bytes_only() -> None:
    for size in (8, 32):
        found = conclusions_page.verdicts(BY_TEXT[f"Slices of {size} MiB lose nothing against 2 MiB (1 %)."], ROWS)
        failing = {name for name, said in found.items() if said == "fails"}
        assert failing
        assert all(name.split(";")[0].endswith("ahead") for name in failing)
        assert {said for name, said in found.items() if "ahead" not in name} == {"holds"}
