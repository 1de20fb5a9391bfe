"""What a run takes is estimated before it starts, and what is beyond the limits is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.work import work_of
from tests.dwdp_sim.composing import checked, config_object

LITE = ("model=deepseek_v3_lite_nvfp4", "cluster=h200_x2", "dwdp.dwdp_size=2")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("limits.time_s=1e-3",), r"limits.time_s=0.001: about .* would be needed for [\d,]+ simulated copies; larger"),
        (("limits.memory=1MB",), r"limits.memory=1MB: about .* MB would be needed for .*; .* or raise the limit"),
        (("limits.memory=much",), "limits.memory=much: a size from one byte"),
        (("limits.time_s=0",), "limits.time_s=0.0: seconds above zero"),
        (
            ("workload=iteration", "workload.replications=10000", "strategy.slice_bytes=16KiB"),
            r"limits.time_s=3600.0: about .* for [\d,]+ simulated copies; fewer workload.replications",
        ),
        (("workload=iteration", "workload.isl=1", "workload.max_num_tokens=1000000000"), "limits.memory=16GB: about"),
        (
            ("workload=iteration", "workload.iterations=10000", "workload.replications=9999"),
            "limits.memory=16GB: about",
        ),
    ],
)
def test_a_run_beyond_a_limit_is_refused_with_what_it_would_take(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked(*LITE, *overrides)


def test_limits_are_no_part_of_what_a_run_is() -> None:
    assert checked(*LITE, "limits.time_s=7200", "limits.memory=99GB").config_hash == checked(*LITE).config_hash


def test_more_copies_draws_and_hypotheses_are_more_work() -> None:
    def time_s(*overrides: str) -> float:
        return work_of(checked(*LITE, *overrides).job, config_object(*LITE, *overrides)).time_s

    once = ("workload.draws=1", "workload.range=false")
    assert time_s(*once) < time_s(*once[1:]) < time_s()
    assert time_s(*once) < time_s(*once, "strategy.slice_bytes=64KiB")


@pytest.mark.long
def test_a_run_takes_less_memory_than_was_estimated(tmp_path: Path) -> None:
    overrides = (*LITE, "strategy.slice_bytes=2KiB", "workload.draws=2", "workload.range=false", "engine=compiled")
    estimate = work_of(checked(*overrides).job, config_object(*overrides))
    code = "import resource; from dwdp_sim.app import main; main(); print(resource.getrusage(0).ru_maxrss)"
    command = [sys.executable, "-c", code, *overrides, "hydra.run.dir=run"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300).stdout
    taken_bytes = 1024 * int(printed.splitlines()[-1])
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["plan"]["copies_per_rank"][0] > 100_000
    assert 0.2 * estimate.memory_bytes < taken_bytes < 1.3 * estimate.memory_bytes
