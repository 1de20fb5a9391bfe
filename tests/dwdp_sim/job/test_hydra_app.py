"""A command runs what it has checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.hydra_app import run_app
from dwdp_sim.job.multirun import combinations, representatives
from dwdp_sim.job.schema import SimConfig, register_schemas


def seeds_run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[list[int], list[int]]:
    """The seeds of what was built, and of what ran, in order."""
    built: list[int] = []
    ran: list[int] = []

    def build(config: DictConfig, overrides: Sequence[str]) -> int:
        built.append(config.seed)
        return int(config.seed)

    def task(seed: int, folder: Path) -> None:
        assert folder.is_dir()
        ran.append(seed)

    register_schemas()
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", *arguments])
    run_app("config", SimConfig, build, task)
    return built, ran


def test_a_single_run_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seeds_run(monkeypatch, "seed=3", f"hydra.run.dir={tmp_path}") == ([3], [3])


def test_of_many_runs_every_value_is_checked_before_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built, ran = seeds_run(monkeypatch, "-m", "seed=3,4", "dwdp.dwdp_size=2,4", f"hydra.sweep.dir={tmp_path}")
    assert ran == [3, 3, 4, 4]
    assert built == [3, 4, *ran]


def test_a_question_runs_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert seeds_run(monkeypatch, "--cfg", "job", "seed=3") == ([], [])
    assert "seed: 3" in capsys.readouterr().out


def test_representatives_hold_every_value_but_not_every_combination() -> None:
    assert representatives(["seed=1,2,3", "strategy=glob(batched*)", "issue_mode=queued"], [str(config_dir())]) == [
        ["seed=1", "strategy=batched", "issue_mode=queued"],
        ["seed=2", "strategy=batched_per_round", "issue_mode=queued"],
        ["seed=3", "strategy=batched_per_round", "issue_mode=queued"],
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=range(1000000000)"], r"seed=range\(1000000000\): a range of at most 1,000,000 values"),
        (["workload.ratio=range(0,1,0)"], "a range of at most 1,000,000 values"),
        (["workload.ratio=range(0,1,1e-300)"], "a range of at most 1,000,000 values"),
        (["seed=range(2000)", "workload.draws=range(1,2000)"], "-m=3,998,000 jobs: at most 1,000,000"),
    ],
)
def test_a_sweep_beyond_all_measure_is_refused_before_it_is_listed(overrides: list[str], message: str) -> None:
    for listed in (combinations, representatives):
        with pytest.raises(ConfigError, match=message):
            listed(overrides, [str(config_dir())])


def test_a_single_run_leaves_what_hydra_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds_run(monkeypatch, "seed=3", f"hydra.run.dir={tmp_path}/run")
    kept = tmp_path / "run" / ".hydra"
    assert yaml.safe_load((kept / "config.yaml").read_text())["seed"] == 3
    assert yaml.safe_load((kept / "overrides.yaml").read_text()) == ["seed=3"]
    about = yaml.safe_load((kept / "hydra.yaml").read_text())["hydra"]
    assert (about["mode"], about["job"]["name"], about["job"]["config_name"]) == ("RUN", "dwdp-sim", "config")
    assert about["runtime"]["output_dir"] == str(tmp_path / "run")
    assert (tmp_path / "run" / "dwdp-sim.log").is_file()


def test_a_callback_of_the_user_s_is_told_of_a_single_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callback = "hydra.experimental.callbacks.LogJobReturnCallback"
    folder = f"hydra.run.dir={tmp_path}"
    seeds_run(monkeypatch, f"+hydra.callbacks.log={{_target_: {callback}}}", "hydra.verbose=false", folder)
    assert "Succeeded" in (tmp_path / "dwdp-sim.log").read_text()


def test_hydra_takes_over_where_the_configuration_asks_for_many_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, ran = seeds_run(monkeypatch, "seed=3", "hydra.mode=MULTIRUN", f"hydra.sweep.dir={tmp_path}")
    assert (built, ran) == ([3, 3], [3])
    assert (tmp_path / "0" / ".hydra").is_dir()
