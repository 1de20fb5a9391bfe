"""One line a job: what its rows say, and nothing that the job never looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.sweep.page.sweep_jobs import PARTS, read_jobs
from dwdp_sim.sweep.query import connect
from tests.dwdp_sim.sweep.page.sweeps import LAYER, STEPS, write_sweep


def test_a_job_has_the_means_of_its_ranks(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, [("model=deepseek_v3_lite_nvfp4", "strategy=default")])
    jobs = read_jobs(path)
    rows = connect(path).sql(f"select {', '.join(PARTS)} from rows").fetchall()
    assert len(rows) == len(jobs.ranks) == 4
    for part, values in zip(PARTS, zip(*rows, strict=True), strict=True):
        assert jobs.finished[part][0] == pytest.approx(sum(values) / 4)
    # the parts are a partition of the latency, so their means are one of its mean
    assert jobs.finished[list(PARTS)].sum(axis=1)[0] == pytest.approx(jobs.finished["prefetch_latency_mean_s"][0])
    row = jobs.finished.iloc[0]
    assert row["over_bound"] == row["prefetch_latency_mean_s"] / row["lower_bound_s"]
    assert jobs.ranks["line"].tolist() == [0] * 4


def test_parameters_that_a_job_never_looks_at_are_left_out(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, [(*LAYER, f"strategy={name}") for name in ("default", "batched", "waves")])
    jobs = read_jobs(path).finished.set_index("strategy")
    assert jobs["slice_bytes"].notna().to_dict() == {"default": False, "batched": True, "waves": True}
    assert jobs["wave_copies"].notna().to_dict() == {"default": False, "batched": False, "waves": True}
    assert jobs["isl"].isna().all()
    assert jobs["slots"].isna().all()


def test_forward_steps_have_no_ranks_and_a_share_of_bubbles(tmp_path: Path) -> None:
    jobs = read_jobs(write_sweep(tmp_path, [STEPS]))
    assert len(jobs.finished) == 1
    assert jobs.ranks.empty
    row = jobs.finished.iloc[0]
    assert row["step_bubble_share"] == row["step_bubble_s"] / row["step_iteration_s"]
    assert row["dep_gain_high"] - row["dep_gain_low"] == pytest.approx(2 * row["dep_gain_half_width"])
    assert row["isl"] == 1024


def test_failures_are_kept_apart(tmp_path: Path) -> None:
    jobs = read_jobs(write_sweep(tmp_path, [LAYER, (*LAYER, "dwdp.dwdp_size=3")]))
    assert (len(jobs.finished), len(jobs.failed)) == (1, 1)
    assert "has 2 GPUs" in jobs.failed["error"][0]


def test_configurations_come_with_the_line_of_their_job(tmp_path: Path) -> None:
    jobs = read_jobs(write_sweep(tmp_path, [(*LAYER, f"seed={seed}") for seed in range(5)]))
    assert {line: config["seed"] for line, config in jobs.configs()} == jobs.finished["seed"].to_dict()
    assert [jobs.config(line)["seed"] for line in range(5)] == jobs.finished["seed"].tolist()


def test_a_folder_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a results folder of a sweep is wanted"):
        read_jobs(tmp_path)
    (tmp_path / "jobs").mkdir()
    with pytest.raises(ConfigError, match="no job has finished or failed yet"):
        read_jobs(tmp_path)
