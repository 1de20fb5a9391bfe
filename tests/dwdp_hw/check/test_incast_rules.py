"""Incast factors and the rules nobody has measured, planted in rows of a simulated machine of four GPUs."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.case import Case
from dwdp_hw.case_program import case_program
from dwdp_hw.check.calibrate import calibrate, rows_used
from dwdp_hw.check.choice import (
    OWN_RULES,
    Predictions,
    predict_as_configured,
    predict_by_rule,
    read_outcome,
    score_rules,
)
from dwdp_hw.check.design import rule_rows
from dwdp_hw.check.live import calibration_cases
from dwdp_hw.check.rules import DECIDED
from dwdp_hw.expectation import expected_s
from dwdp_hw.incast import incast_cases
from dwdp_hw.unmeasured import ALL_RULES, Rules
from dwdp_sim.build import read_cluster
from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded import Recording
from tests.dwdp_hw.check.simulated_machine import changed, rates, record_programs

GPUS = 4
HGX = changed(read_cluster("hgx_h200"), both_ways_gap_factor=1.0)
OPTIONS = FabricOptions()


def calibration_rows_of(path: Path, machine: Cluster, options: FabricOptions) -> Recording:
    cases = calibration_cases(GPUS)
    wanted = ("size_solo_268435456", "batch_both", "readers", "all")
    cases = [case for case in cases if case.name.startswith(wanted)]
    return record_programs(path, machine, options, {case.name: case_program(case) for case in cases})


def test_the_design_takes_one_pair_s_rows_and_for_every_number_of_readers_equal_and_unequal_pieces(
    tmp_path: Path,
) -> None:
    recording = calibration_rows_of(tmp_path / "rows.json", HGX, OPTIONS)
    chosen = {row.case for row in rows_used(recording, "design", "ipc")}
    assert {row.case for row in recording.rows} - chosen == {row.case for row in rule_rows(recording.rows)}
    assert len(rule_rows(recording.rows)) == 4
    pairs = [row for row in recording.rows if "solo" in row.case or "both" in row.case]
    assert [len(set(row.program.copy_src.tolist())) for row in pairs] == [1, 2]


PLANTED: dict[str, tuple[dict[str, Any], FabricOptions, str | None]] = {
    "a greater loss": ({}, OPTIONS, None),
    "sources first in, first out": ({}, FabricOptions(sharing="fifo"), "fabric.sharing=fifo"),
    "four in flight, any": ({"in_flight_sources": 4, "refill": "any"}, OPTIONS, "in_flight_sources=4, refill=any"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_incast_factors_and_rules_are_found_in_the_rows_of_a_live_calibration(
    name: str, tmp_path: Path
) -> None:
    constants, options, rule = PLANTED[name]
    machine = changed(
        HGX, **rates(405e9), incast_factor_2=0.88, incast_factor_3=0.8, incast_factor_4_up=0.8, **constants
    )
    recording = calibration_rows_of(tmp_path / "rows.json", machine, options)
    found = calibrate([recording], HGX, OPTIONS, name="found")
    best = max(found.evidence, key=lambda other: found.evidence[other])
    if rule is None:
        assert found.evidence[best] <= DECIDED, found.evidence
        values = {e.parameter.name: e for e in found.fit.estimates}
        for factor, truth in (("incast_factor_2", 0.88), ("incast_factor_3", 0.8)):
            assert values[factor].value == pytest.approx(truth, abs=0.004), values[factor]
            assert found.cluster.constants[factor].provenance == "measured"
        assert (
            found.cluster.constants["incast_factor_4_up"].provenance == "assumed"
        )  # three ranks cannot be four readers
    else:
        assert (best, found.evidence[best] > DECIDED) == (rule, True), found.evidence


def few_cases() -> list[Case]:
    """Small cases that tell every rule from every other."""
    wanted = (
        "readers_3_single_256K", "readers_2_batch_2048K", "readers_2_uneven_2048K_16384K", "v3lite_batched_vmm",
        "all_ascending_in_turns_batch_16384K", "all_ascending_batch_16384K", "v3lite_default", "v3lite_waves",
    )  # fmt: skip
    return [case for block in incast_cases(GPUS) for case in block if case.name in wanted]


@pytest.fixture(scope="module")
def expected() -> Predictions:
    return predict_by_rule(few_cases(), HGX, OPTIONS, 1)


@pytest.mark.parametrize("planted", ALL_RULES, ids=lambda rules: rules.name)
def test_the_rules_that_made_the_rows_are_the_ones_they_choose(planted: Rules, expected: Predictions) -> None:
    cases = few_cases()
    # the machine's links are 2 % slower than the cluster says
    machine = planted.cluster(changed(HGX, **rates(0.98 * HGX.rate("egress_bytes_per_s"))))
    measured = {case.name: expected_s(case, machine, planted.options(OPTIONS)) for case in cases}
    scores = {score.rules: score for score in score_rules(expected, measured)}
    assert scores[planted.name].log_likelihood > -DECIDED
    assert scores[planted.name].p95 < 0.07
    near = {name for name, score in scores.items() if score.log_likelihood > -DECIDED} - {planted.name}
    # loss always or on demand differs by 5 % in one row; the refill of four places by 7 % where sources are fifo
    undecided = {
        Rules(incast="demand").name: {Rules().name},
        Rules(4, "oldest", "fifo").name: {Rules(4, "any", "fifo").name},
    }
    assert near <= undecided.get(planted.name, set())


def test_an_outcome_holds_rules_pipelines_and_what_did_not_run(tmp_path: Path) -> None:
    found = {case.name: case for block in incast_cases(GPUS) for case in block}
    cases = [found["readers_2_batch_2048K"], found["v3lite_default"], found["v3lite_default_pipeline_1_varied_0.2"]]
    predictions = tmp_path / "predictions.json"
    predictions.write_text(json.dumps(predict_by_rule(cases, HGX, OPTIONS, 1)))
    rows = []
    for case in cases:
        times = [{"median": 1e6 * s} for s in expected_s(case, HGX, OPTIONS)]
        rows.append({"case": case.name, "measure": case.measure, "stable": True, "queued_behind_gate": True,
                     "device_us": times})  # fmt: skip
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"rows": rows, "failed": [{"case": "x", "why": "not run: the limit of 1 s was over"}]}))
    outcome = read_outcome(predictions, str(path))
    assert [step.rank for step in outcome.steps] == [0, 1, 2, 3]
    for step in outcome.steps:
        assert step.low_s <= step.expected_s == pytest.approx(step.measured_s)
        assert step.measured_s <= step.high_s
    assert outcome.not_run == [("x", "not run: the limit of 1 s was over")]
    assert outcome.scores[0].median < 1e-9
    assert "fair, incast always" in outcome.verdict  # what batches have in flight, no row of these tells
    assert "undecided" in outcome.verdict


def test_live_predictions_are_made_under_the_job_s_own_rules() -> None:
    case, without = few_cases()[1], FabricOptions(incast="off")
    for predict in (partial(predict_by_rule, processes=1), predict_as_configured):
        assert predict([case], HGX, without)[case.name][OWN_RULES] == expected_s(case, HGX, without)
    assert expected_s(case, HGX, without) != expected_s(case, HGX, OPTIONS)
