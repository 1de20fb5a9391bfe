"""What public figures say of the hypotheses: the decisive ones again, and the page as the data has it."""

from __future__ import annotations

import math
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.fabric.hypotheses import ARTEFACT_AS_LOSS, AS_CONFIGURED, EXCLUDED, FIFO, SHUFFLED
from dwdp_sim.job.presets import read_cluster

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "studies"))
import evidence  # noqa: E402
import evidence_page  # noqa: E402
import evidence_rows  # noqa: E402

pytestmark = pytest.mark.usefixtures("loaded_engine")
LINES = evidence_page.read_lines(evidence.DATA)
DECISIVE = (AS_CONFIGURED, FIFO, ARTEFACT_AS_LOSS)
H20 = evidence.GROUPS["H20"].rows


def recorded(kind: str, **keys: Any) -> list[evidence_page.Line]:
    return [line for line in LINES if line["kind"] == kind and all(line[key] == value for key, value in keys.items())]


@cache
def again(group: str) -> tuple[evidence_page.Line, ...]:
    """The lines of a group under the decisive hypotheses, simulated now."""
    return tuple(evidence.weigh(group, DECISIVE))


@pytest.mark.parametrize("group", ["H20", pytest.param("layer", marks=pytest.mark.long)])
def test_the_recorded_evidence_is_what_the_simulator_says_today(group: str) -> None:
    for line in again(group):
        keys = {key: line[key] for key in ("group", "row", "hypothesis") if key in line}
        (known,) = recorded(line["kind"], **keys)
        for key, value in line.items():
            assert known[key] == (pytest.approx(value, rel=2e-5) if isinstance(value, float) else value), line


def predicted(row: str, name: str) -> float:
    (line,) = [
        line for line in again("H20") if line["kind"] == "figure" and line["row"] == row and line["hypothesis"] == name
    ]
    return float(line["predicted"] / line["published"])


@pytest.mark.parametrize("row", H20)
def test_first_in_first_out_sources_would_make_eight_h20s_two_thirds_faster_than_they_are(row: str) -> None:
    """Readers served in turn fall into step: while one reads the second source, the next reads the first."""
    assert predicted(row, FIFO.name) > 5 / 3
    assert predicted(row, AS_CONFIGURED.name) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("row", H20)
def test_a_source_that_lost_what_nvbandwidth_prints_would_make_eight_h20s_too_slow(row: str) -> None:
    assert predicted(row, ARTEFACT_AS_LOSS.name) < 0.9


def test_the_h20_figures_alone_exclude_first_in_first_out_sources() -> None:
    logs = {line["hypothesis"]: line["log_likelihood"] for line in again("H20") if line["kind"] == "likelihood"}
    assert logs[FIFO.name] - logs[AS_CONFIGURED.name] < math.log(evidence_page.EXCLUDED)
    assert logs[ARTEFACT_AS_LOSS.name] - logs[AS_CONFIGURED.name] < math.log(evidence_page.WEAKENED)


def test_a_shuffled_batch_would_make_rotated_pushes_a_third_slower_than_they_are() -> None:
    """Ranks that push in any order meet at destinations; in the order of the batch they hardly do."""
    name = "gb200x64_all_gather_push_batch_slope"
    published = evidence_rows.read_rows()[name]["value"]
    found = evidence.predictions(name, 2, [AS_CONFIGURED, SHUFFLED])
    assert max(found[SHUFFLED.name]) < 0.7 * published
    assert found[AS_CONFIGURED.name] == pytest.approx([published] * 2, rel=0.08)


def test_what_is_in_no_range_for_its_evidence_is_what_the_figures_exclude() -> None:
    shares = evidence_page.relative(LINES)
    excluded = {name for name, own in shares.items() if own["all"] < evidence_page.EXCLUDED}
    assert excluded == {hypothesis.name for hypothesis in EXCLUDED}


@pytest.mark.long
def test_a_layer_s_pulls_in_dwdp_fit_fair_sources() -> None:
    (line,) = [line for line in again("layer") if line["kind"] == "figure" and line["hypothesis"] == AS_CONFIGURED.name]
    assert line["predicted"] == pytest.approx(line["published"], rel=0.05)


def test_two_engines_on_one_link_tell_nothing_about_who_is_served_first() -> None:
    """Copies of 8 MiB that a source serves in turn share a link as evenly as fair ones do: 2 × 2 GiB at 397.65 GB/s."""
    for line in recorded("control", row="h200x2_pull_beside_push"):
        assert line["predicted"] == pytest.approx(2e3 * 2**31 / 397.653e9, rel=2e-3)
        assert line["predicted"] == pytest.approx(line["published"], rel=0.01)


def test_the_page_is_what_the_data_gives() -> None:
    text = evidence_page.PAGE.read_text(encoding="utf-8")
    assert evidence_page.with_tables(text, LINES) == text


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the table groups"):
        evidence_page.with_tables("# Hypotheses\n", LINES)


def test_every_hypothesis_and_every_usable_row_is_in_the_data() -> None:
    assert list(evidence_page.relative(LINES)) == [hypothesis.name for hypothesis in evidence.chosen()]
    usable = {name for name, row in evidence_rows.read_rows().items() if row["usable"]}
    figures = {line["row"] for line in recorded("figure")}
    controls = {line["row"] for line in recorded("control")}
    assert figures | controls == usable
    assert not figures & controls


def test_a_figure_off_by_twice_its_error_has_half_to_the_power_of_five_halves_of_the_density() -> None:
    """Student, four degrees of freedom: (1 + 2² / 4)^(−5/2) = 2^(−5/2); one of three rows votes with a third of it."""
    group = evidence.GROUPS["H20"]
    values = {name: evidence_rows.read_rows()[name]["value"] for name in group.rows}
    off = [math.exp(2 * group.error), 1.0, 1.0]
    predictions = {name: {"h": [values[name] * factor] * group.guesses} for name, factor in zip(H20, off, strict=True)}
    assert evidence.log_likelihoods(group, predictions)["h"] == pytest.approx(-2.5 * math.log(2) / 3)


def test_guesses_stay_in_their_range_and_differ() -> None:
    values = [evidence_rows.Unknown(number).within(1, 780e9, 798e9) for number in range(16)]
    assert 780e9 <= min(values) < 783e9
    assert 795e9 < max(values) <= 798e9
    assert len(set(values)) == 16


def test_numbers_of_the_page_s_text_are_those_of_the_code() -> None:
    text = evidence_page.PAGE.read_text(encoding="utf-8")
    rows, constants = evidence_rows, read_cluster("gb200_nvl72").constants
    for (low, high), unit, size in [
        (rows.H20_RATE, "GB/s", 1e9),
        (rows.H20_LOCAL_RATE, "TB/s", 1e12),
        (rows.LAUNCH_S, "µs", 1e-6),
        (rows.BLACKWELL_RATE, "GB/s", 1e9),
        (evidence.WINDOW, "times", 1.0),
    ]:
        assert f"{low / size:g} to {high / size:g} {unit}" in text
    assert f"up to {100 * (1 - rows.H20_BOTH_WAYS[0]):.1f} %" in text
    assert f"within {1e6 * rows.SKEW_S:g} µs" in text
    assert f"{rows.PUSHING_RANKS} are simulated" in text
    two, three = (constants[name].interval["pull"][0] for name in ("incast_factor_2", "incast_factor_3"))
    assert f"three readers or more gives {three:.3f} of its rate, with two {two:.3f}" in text
    assert f"loses {100 * (1 - constants['both_ways_egress'].interval['pull'][0]):.1f} %" in text
    assert f"less than 1/{1 / evidence_page.EXCLUDED:g} as likely" in text
    assert f"*weakened* below 1/{1 / evidence_page.WEAKENED:g}" in text
