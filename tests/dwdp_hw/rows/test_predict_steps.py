"""Forward steps measured on two H200s and one H100, predicted from their compute windows."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dwdp_hw.calibration.calibrate import fitted_rows
from dwdp_hw.calibration.waits import event_waits_s
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import STEPS
from dwdp_hw.validation.report import Subject, markdown_report
from dwdp_hw.validation.summary import Summary, summarize
from dwdp_hw.validation.validate import Validation, validate
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.steps.windows import constant_windows
from tests.dwdp_sim.programs import program, queue, single

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"
DOCUMENT = MEASUREMENTS.parent / "docs" / "iteration.md"
ESTIMATED, OTHERS = "h200_x2_ordered", ("h200_x2_random", "h200_x2_random_again")


def steps_of(name: str) -> Recording:
    """The file without its other rows."""
    return replace(read_recording(str(MEASUREMENTS / f"{name}.json")), rows=())


def validated(recording: Recording, cluster: Cluster, bars: Bars | None = None) -> Validation:
    return validate([recording], cluster, FabricOptions(), fitted_rows([recording], cluster), bars or Bars())


@functools.cache
def as_shipped(name: str, cluster: str = "h200_x2") -> Validation:
    """The steps of a file beside what the shipped constants predict."""
    return validated(steps_of(name), read_cluster(cluster))


def summary_of(validation: Validation) -> Summary:
    found = summarize(validation.rows, STEPS)
    assert found is not None
    return found


def errors(validation: Validation) -> Floats:
    """Absolute, one a rank and step."""
    return np.abs([row.error for row in validation.rows])


@pytest.mark.parametrize(
    ("name", "cluster", "figures"),
    [*((name, "h200_x2", 44) for name in OTHERS), ("h100_x1_host_experts", "h100_x1_host", 6)],
)
def test_steps_that_nothing_was_fitted_to_are_predicted_within_the_bars_and_as_the_guide_says(
    name: str, cluster: str, figures: int
) -> None:
    validation = as_shipped(name, cluster)
    assert validation.passed, validation.failures
    found = summary_of(validation)
    assert found.n == figures
    line = f"| `{name}.json` | {found.n} | {found.median_abs_error:.2%} | {found.max_abs_error:.2%} |"
    assert line.replace("%", " %") in DOCUMENT.read_text(encoding="utf-8")


def test_the_latency_of_an_event_is_the_median_wait_of_the_one_campaign_whose_steps_do_not_count() -> None:
    shipped, recording = read_cluster("h200_x2"), steps_of(ESTIMATED)
    waits_s = event_waits_s(recording.steps)
    assert len(waits_s) == 264
    constant = shipped.constants["event_s"]
    assert constant.value == pytest.approx(np.median(waits_s), abs=5e-9)
    assert constant.interval == pytest.approx(np.percentile(waits_s, [2.5, 97.5]), abs=5e-9)
    validation = validated(recording, shipped)
    assert {row.fitted for row in validation.rows} == {True}
    assert validation.failures == ["nothing judged: no row is stable and out of sample"]


@pytest.mark.parametrize("name", OTHERS)
def test_it_is_the_wait_of_the_other_campaigns_too_and_brings_their_steps_nearer(name: str) -> None:
    shipped, recording = read_cluster("h200_x2"), steps_of(name)
    assert np.median(event_waits_s(recording.steps)) == pytest.approx(shipped.number("event_s"), rel=0.02)
    with_it, without = errors(as_shipped(name)), errors(validated(recording, shipped.with_values({"event_s": 0.0})))
    assert np.median(with_it) < 0.85 * np.median(without)
    assert with_it.mean() < 0.85 * without.mean()


def test_a_late_event_is_noticed() -> None:
    validation = validated(steps_of(OTHERS[0]), read_cluster("h200_x2").with_values({"event_s": 60e-6}))
    assert not validation.passed
    assert validation.failures[0].startswith("forward steps: median of the error is")
    assert any("beyond 2%" in failure for failure in validation.failures)


def test_the_report_shows_steps_and_their_bars() -> None:
    recording, cluster, validation = steps_of(OTHERS[0]), read_cluster("h200_x2"), as_shipped(OTHERS[0])
    text = markdown_report(validation, Subject(cluster, [recording.path], recording.machine, {}))
    assert "forward steps: 44 figures out of sample: error median" in text
    assert "(bar 0.5 %)" in text
    assert "## Forward steps" in text
    assert "| r1_128_batched_2048K_pipeline_0.8 | 1 |" in text
    content = validation.as_dict()
    assert content["summary"]["steps"]["n"] == 44
    assert content["bars"]["step_median"] == 0.005
    assert {row["measure"] for row in content["rows"]} == {"steps"}


def test_steps_of_three_ranks_are_shown_and_not_judged() -> None:
    recording, second_s = steps_of(OTHERS[0]), (1.0, 1.0, 1.0)
    three = replace(
        recording.steps[0],
        program=program(*[queue(r, single((r + 1) % 3, r, 8 << 20), queued=False) for r in range(3)]),
        windows=constant_windows(1e-3, 0.0, (3, 1, 12)),
        step_s=second_s, min_s=second_s, max_s=second_s,
    )  # fmt: skip
    rows = validated(replace(recording, steps=(three,)), read_cluster("hgx_h200")).rows
    assert [row.unstable_reason for row in rows] == ["3 ranks: which rule holds is open"] * 3
    assert not any(row.counts for row in rows)
