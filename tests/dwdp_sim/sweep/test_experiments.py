"""Every experiment that is shipped can be composed, and its first job runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_sim.job.build import build_run
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.schema import register_schemas
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.run import jobs_of

EXPERIMENTS = sorted((config_dir() / "experiment").glob("*.yaml"))
ON_HARDWARE = {"incast_h200", "hardware_grid"}  # dwdp-hw's; tests/dwdp_hw/job/test_experiments.py composes them
SIMULATED = [path for path in EXPERIMENTS if path.stem not in ON_HARDWARE]


@pytest.mark.parametrize("path", SIMULATED, ids=lambda path: path.stem)
def test_an_experiment_s_jobs_are_composed_and_its_first_one_runs(path: Path) -> None:
    register_schemas()
    overrides = [f"+experiment={path.stem}"]
    jobs = jobs_of("config", overrides, [str(config_dir())])
    assert len(jobs) > 10
    assert {asked.config.results_dir for asked in jobs} == {f"results/{path.stem}"}
    first = jobs[0]
    config = replace(first.config, workers=1, workload=replace(first.config.workload, range=False))
    assert summarize_run(build_run(config, first.overrides)).to_dict()["wall_s"] > 0


def test_every_experiment_says_which_question_it_answers() -> None:
    assert len(EXPERIMENTS) >= 11
    for path in EXPERIMENTS:
        package, question, *_ = path.read_text(encoding="utf-8").splitlines()
        assert package == "# @package _global_"
        assert "?" in question
