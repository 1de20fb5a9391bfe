"""Incast factors and the rules nobody has measured, planted in rows of a simulated machine of four GPUs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dwdp_hw.calibration.calibrate import calibrate, rows_used
from dwdp_hw.calibration.design import rule_rows
from dwdp_hw.calibration.likelihood import log_likelihood
from dwdp_hw.calibration.rules import DECIDED
from dwdp_hw.cases.incast import incast_cases, telling_cases
from dwdp_hw.cases.program import case_program
from dwdp_hw.cases.start_offsets import LATEST_S
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.recording import Recording
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.run.expectations import expect_all, expected_s
from dwdp_hw.validation.live import calibration_cases
from dwdp_hw.validation.rule_scores import Predictions, read_outcome, score_hypotheses
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, FIFO, INCAST, Hypothesis, hypotheses
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.presets import read_cluster
from tests.dwdp_hw.simulated_machine import rates, record_programs

GPUS = 4
HGX = read_cluster("hgx_h200").with_values({"both_ways_gap_factor": 1.0})
OPTIONS = FabricOptions()
HYPOTHESES = {one.name: one for one in hypotheses(HGX, OPTIONS)}


def calibration_rows_of(path: Path, machine: Cluster, options: FabricOptions) -> Recording:
    cases = calibration_cases(GPUS)
    wanted = ("size_solo_268435456", "batch_both", "readers", "busy")
    cases = [case for case in cases if case.name.startswith(wanted)]
    return record_programs(path, machine, options, {case.name: case_program(case) for case in cases})


def test_the_design_takes_one_pair_s_rows_and_for_every_number_of_readers_equal_and_unequal_pieces(
    tmp_path: Path,
) -> None:
    recording = calibration_rows_of(tmp_path / "rows.json", HGX, OPTIONS)
    chosen = {row.case for row in rows_used(recording, "design", "ipc")}
    assert {row.case for row in recording.rows} - chosen == {row.case for row in rule_rows(recording.rows)}
    assert len(rule_rows(recording.rows)) == len(telling_cases(GPUS))
    pairs = [row for row in recording.rows if "solo" in row.case or "both" in row.case]
    assert [len(set(row.program.copy_src.tolist())) for row in pairs] == [1, 2]


PLANTED: dict[str, tuple[Hypothesis, str | None]] = {
    "a greater loss": (AS_CONFIGURED, None),
    "sources first in, first out": (FIFO, "fifo sources"),
    **{name: (one, name) for name, one in HYPOTHESES.items() if name == "1 MiB ahead; fair"},
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_incast_factors_and_rules_are_found_in_the_rows_of_a_live_calibration(
    name: str, tmp_path: Path
) -> None:
    hypothesis, rule = PLANTED[name]
    lossy = {name: {"pull": value, "push": 1.0} for name, value in zip(INCAST, (0.88, 0.8, 0.8), strict=True)}
    machine, options = hypothesis.machine(HGX.with_values(rates(405e9) | lossy), OPTIONS)
    recording = calibration_rows_of(tmp_path / "rows.json", machine, options)
    found = calibrate([recording], HGX, OPTIONS, name="found")
    best = max(found.evidence, key=lambda other: found.evidence[other])
    if rule is None:
        assert found.evidence[best] <= DECIDED, found.evidence
        values = {e.parameter.name: e for e in found.fit.estimates}
        for factor, truth in (("incast_factor_2", 0.88), ("incast_factor_3", 0.8)):
            assert values[f"{factor}, pull"].value == pytest.approx(truth, abs=0.004), values
            assert found.cluster.constants[factor].provenance == "measured"
            assert found.cluster.by_kind(factor)["push"] == 1.0  # nobody pushed
        # three ranks cannot be four readers
        assert found.cluster.constants["incast_factor_4_up"].provenance == "assumed"
    else:
        assert (best, found.evidence[best] > DECIDED) == (rule, True), found.evidence


@pytest.fixture(scope="module")
def expected() -> Predictions:
    return expect_all(incast_cases(GPUS)[0], HGX, OPTIONS, every=True)


@pytest.mark.parametrize("planted", HYPOTHESES)
def test_the_hypothesis_that_made_the_rows_is_the_one_they_choose(planted: str, expected: Predictions) -> None:
    # The machine's links are 2 % slower than the cluster says, and its ranks start at other times than was predicted.
    slower = HGX.with_values(rates(0.98 * HGX.rate("egress_bytes_per_s")))
    machine, options = HYPOTHESES[planted].machine(slower, OPTIONS)
    measured = {}
    for case in incast_cases(GPUS)[0]:
        program = case_program(case)
        later_s = np.random.default_rng(99).uniform(0.0, LATEST_S, len(program.stream_gpu))
        drawn = replace(program, stream_start_s=later_s)
        elapsed_s = simulate(drawn, constants_for(machine, program, options), options, seed=99).stream_elapsed_s
        measured[case.name] = elapsed_s.tolist()
    best, *others = score_hypotheses(expected, measured)
    assert planted in best.hypotheses
    assert others[0].log_likelihood < -DECIDED


def test_what_an_unknown_start_does_condemns_no_prediction_but_being_vague_costs() -> None:
    # Of two draws, one is right: half the density of the right one alone at the same width.
    sharp = log_likelihood(np.array([[1.0, 1.0]]), [1.0, 1.0], 0.01)[0]
    assert sharp == pytest.approx(-np.log(2 * 0.01))
    # Draws 0 and 10 % off scatter by log(1.1) ÷ 2 around their middle: that is added to the width.
    width = 0.01 + np.log(1.1) / 2
    vague = log_likelihood(np.array([[1.0, 1.0], [1.1, 1.1]]), [1.0, 1.0], 0.01)[0]
    assert vague == pytest.approx(np.log((1 + np.exp(-np.log(1.1) / width)) / (2 * 2 * width)))
    wrong = log_likelihood(np.array([[1.1, 1.1]]), [1.0, 1.0], 0.01)[0]
    assert wrong < vague < sharp


def test_an_outcome_holds_rules_pipelines_and_what_did_not_run(tmp_path: Path) -> None:
    known = {case.name: case for block in incast_cases(GPUS) for case in block}
    cases = [known["readers_2_batch_2048K"], known["v3lite_default"], known["v3lite_default_pipeline_1_varied_0.2"]]
    predictions = tmp_path / "predictions.json"
    written = expect_all(cases, HGX, OPTIONS, every=True)
    predictions.write_text(json.dumps({case: [one.as_dict() for one in found] for case, found in written.items()}))
    rows = []
    for case in cases:
        times_us = [1e6 * s for s in expected_s(case, HGX, OPTIONS)]
        row: MeasuredRow = {
            "case": case.name,
            "measure": case.measure,
            "queued_behind_gate": True,
            "device_us": [{"median": time, "min": time, "max": time} for time in times_us],
            "start_skew_us": None,
            "stable": True,
            "unstable_reason": None,
        }
        rows.append(row)
    path = tmp_path / "rows.json"
    failed = [{"case": "x", "why": "not run: the limit of 1 s was over"}]
    path.write_text(measurement_file({"gpus": GPUS}, "", rows, failed))
    outcome = read_outcome(predictions, str(path))
    assert [step.rank for step in outcome.steps] == [0, 1, 2, 3]
    for step in outcome.steps:
        assert step.low_s <= step.expected_s == pytest.approx(step.measured_s)
        assert step.measured_s <= step.high_s
    assert outcome.not_run == [("x", "not run: the limit of 1 s was over")]
    assert "2 sources, oldest; fair" in outcome.scores[0].hypotheses  # as configured; walks, no row of these tells
    assert outcome.scores[0].median < 1e-9
    (loss,) = outcome.scores[1:]
    assert loss.hypotheses == ("several readers cost a source",)


def test_live_predictions_are_made_under_the_job_s_own_options() -> None:
    case = next(case for block in incast_cases(GPUS) for case in block if case.name == "readers_2_uneven_2048K_16384K")
    fifo = FabricOptions(sharing="fifo")
    (as_configured,) = expect_all([case], HGX, fifo, every=False)[case.name]
    assert as_configured.mean_s.tolist() == expected_s(case, HGX, fifo) != expected_s(case, HGX, OPTIONS)
