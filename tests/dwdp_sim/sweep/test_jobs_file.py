"""Workers get the jobs that the sweep composed, and none that somebody else has written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.jobs_file import load_jobs, write_jobs
from tests.dwdp_sim.composing import config_object

SMALL = ("model=deepseek_v3_lite_nvfp4", "cluster=h200_x2", "dwdp.dwdp_size=2", "strategy.slice_bytes=8MiB")


def test_jobs_come_back_equal_and_share_what_they_shared(tmp_path: Path) -> None:
    config = config_object(*SMALL)
    odd = replace(config, workload=replace(config.workload, max_phase_s=float("inf"), offsets_s=[0.0, 1e-6]))
    jobs = [Asked("a", "b", SMALL, config), Asked("c", "d", (), odd), Asked("e", "f", (), replace(config, seed=1))]
    sha256 = write_jobs(tmp_path / "the.jobs", jobs)
    found = load_jobs(tmp_path / "the.jobs", sha256)
    assert found == jobs
    assert found[0].config.cluster is found[2].config.cluster


def test_jobs_that_somebody_has_changed_are_not_run(tmp_path: Path) -> None:
    path = tmp_path / "the.jobs"
    sha256 = write_jobs(path, [Asked("a", "b", SMALL, config_object(*SMALL))])
    path.write_bytes(path.read_bytes().replace(b"h200_x2", b"h200_x9"))
    with pytest.raises(OSError, match="is not what the sweep wrote"):
        load_jobs(path, sha256)
