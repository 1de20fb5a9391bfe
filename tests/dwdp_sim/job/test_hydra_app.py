"""A command runs what it has checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from omegaconf import DictConfig

from dwdp_sim.job.hydra_app import run_app
from dwdp_sim.job.multirun import representatives
from dwdp_sim.job.schema import SimConfig, config_dir, register_schemas


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
