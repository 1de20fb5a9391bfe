"""The experiments that run on hardware: they compose, and on host memory they go from prediction to report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import hydra
import pytest
from omegaconf import OmegaConf

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.incast import incast_cases
from dwdp_hw.job.schema import Cases, HwConfig, Mode, Source, register_hw_schemas
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.run.campaign import run_campaign
from dwdp_sim.job.config_files import config_dir
from tests.dwdp_hw.conftest import ON_HOST
from tests.dwdp_hw.validation.test_check_command import dwdp_hw
from tests.here import run_here


def test_the_incast_experiment_predicts_and_measures_on_a_node_of_h200s_within_its_limit() -> None:
    register_hw_schemas()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = cast(HwConfig, OmegaConf.to_object(hydra.compose("hw", ["+experiment=incast_h200"])))
    assert (config.mode, config.source, config.check.cases) == (Mode.validate, Source.live, Cases.incast)
    assert config.cluster.name == "hgx_h200"
    assert config.workload.range
    assert config.check.limit_s is not None
    assert config.check.limit_s < 480


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "check.cases=incast: needs 3 GPUs or more, and here are 2"),
        (("dwdp.dwdp_size=3", "check.limit_s=0"), "check.limit_s=0.0: seconds above zero are wanted"),
        (("dwdp.dwdp_size=3", "check.cases=all"), "check.cases=all"),
        (("dwdp.dwdp_size=3", "check.rounds=2"), "check.rounds=2: must be from 3 to 100"),
        (("dwdp.dwdp_size=3", "backend.wait_s=0"), "backend.wait_s=0.0: seconds above zero are wanted"),
    ],
)
def test_an_experiment_that_cannot_run_ends_in_one_line_before_anything_is_written(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = run_here("dwdp_hw.app", "+experiment=incast_h200", "backend=host", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_what_does_not_fit_into_the_limit_is_listed_in_rows_and_report(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
    small = ("backend=host", "dwdp.dwdp_size=3", "workload.range=false", "check.limit_s=0.001", "hydra.run.dir=out")
    done = dwdp_hw(tmp_path, "+experiment=incast_h200", *small)
    assert done.returncode == 5, done.stderr  # host memory is another cluster, but one row of one round decides nothing
    out = tmp_path / "out"
    names = [case.name for block in incast_cases(3, 256) for case in block]
    assert list(json.loads((out / "predictions.json").read_text())) == names
    content = json.loads((out / "validation_rows.json").read_text())
    measured = {row["case"] for row in content["rows"]}
    assert len(measured) == 1
    assert measured <= {case.name for case in incast_cases(3, 256)[0]}  # the most important block comes first
    assert {failure["why"] for failure in content["failed"]} == {"not run: the limit of 0.001 s was over"}
    assert {failure["case"] for failure in content["failed"]} == set(names) - measured
    for report in ("report.md", "report.html"):
        text = (out / report).read_text()
        assert "What nobody had measured" in text
        assert "Totals and fairness" in text
        assert names[-1] in text


def test_a_campaign_without_a_limit_runs_to_its_end(
    small_case: Callable[..., Case], shared_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
    cases = [small_case(name, size=3, repeats=3) for name in ("a", "b")]
    settings: Settings = replace(ON_HOST, shared_folder=str(shared_folder))
    assert run_campaign(cases, 3, settings, tmp_path / "rows.json", "a test") == 0
    rows = read_recording(str(tmp_path / "rows.json")).rows
    assert [row.case for row in rows] == ["a", "b"]
    assert [row.program.num_gpus for row in rows] == [3, 3]


@pytest.mark.long
def test_the_grid_runs_each_of_its_points_on_the_ranks_that_are_there(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
    small = ("backend=host", "model.num_experts=4", "model.top_k=2", "hydra.sweep.dir=grid", "backend.repeats=3")
    point = ("strategy=waves", "strategy.slice_bytes=512KiB", "issue_mode=queued")
    done = dwdp_hw(tmp_path, "-m", "+experiment=hardware_grid", *small, *point)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "grid" / "0" / "summary.json").read_text())
    assert summary["measured"]
    register_hw_schemas()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        composed = hydra.compose("hw", ["+experiment=hardware_grid"], return_hydra_config=True)
    grid = composed.hydra.sweeper.params
    assert sorted(grid) == ["issue_mode", "strategy", "strategy.slice_bytes"]
