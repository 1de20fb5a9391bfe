"""Reference rates are what measurements and published figures say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from dwdp_hw.bundle.opened import open_bundle
from dwdp_hw.health.rates import rate_of
from dwdp_hw.health.references import TABLE, Reference, references
from dwdp_hw.rows.recording import Recording, read_recording

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
FOUR_DIGITS = 5e-4
LINKS = json.loads((MEASUREMENTS / "published" / "links.json").read_text(encoding="utf-8"))
PUBLISHED = [
    json.loads(line)
    for line in (MEASUREMENTS / "published" / "nvbandwidth.jsonl").read_text(encoding="utf-8").splitlines()
]
MEASURED = [reference for reference in references() if reference.source.file]
TESTCASES = [reference for reference in references() if reference.source.testcase]


def recording_of(path: Path) -> Recording:
    """Rows, or those that a bundle's constants were fitted on."""
    return open_bundle(str(path)).fitted[0] if path.suffix == ".zip" else read_recording(str(path))


def name(reference: Reference) -> str:
    return f"{reference.gpu} {reference.copy} {reference.ways}"


@pytest.mark.parametrize("reference", MEASURED, ids=name)
def test_a_measured_rate_is_that_of_its_row(reference: Reference) -> None:
    source = reference.source
    recording = recording_of(MEASUREMENTS / str(source.file))
    (row,) = [row for row in recording.rows if row.case == source.case]
    rate = rate_of(row)
    assert rate is not None
    assert reference.fits(str(recording.machine["gpu"]), rate)
    assert reference.bytes_per_s == pytest.approx(rate.bytes_per_s, rel=FOUR_DIGITS)


@pytest.mark.parametrize("reference", TESTCASES, ids=name)
def test_a_published_rate_is_the_mean_of_its_testcase(reference: Reference) -> None:
    source = reference.source
    rows = [row for row in PUBLISHED if (row["machine"], row["testcase"]) == (source.machine, source.testcase)]
    (row,) = rows
    directions = 2 if row["testcase"].endswith("_total") else 1
    rate = 1e9 * row["sum_gb_per_s"] / row["entries"] / directions
    assert reference.bytes_per_s == pytest.approx(rate, rel=FOUR_DIGITS)
    assert reference.copy == ("pull" if "_read_" in row["testcase"] else "push")
    assert reference.ways == ("both" if "bidirectional" in row["testcase"] else "alone")
    switched = LINKS[row["machine"]]["links"] == "switched"
    assert reference.link == ("nvlink_switch" if switched else "nvlink_direct")
    assert row["machine"].split()[0] == reference.gpu


def test_every_rate_is_measured_published_or_says_which_public_figure_it_is() -> None:
    words = [reference for reference in references() if reference.source.public]
    assert len(MEASURED) + len(TESTCASES) + len(words) == len(references())
    for reference in words:
        figure = reference.bytes_per_s / 1e9
        assert f"{figure:.1f}" in str(reference.source), reference.source


def test_a_kind_stands_in_the_table_once() -> None:
    kinds = Counter((one.gpu, one.link, one.copy, one.ways) for one in references())
    assert set(kinds.values()) == {1}


def test_the_table_is_read_from_the_package() -> None:
    assert TABLE.parent.name == "health"
    assert len(references()) > 20
