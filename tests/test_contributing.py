"""A model, a cluster and a strategy from outside the repository, by the recipe of CONTRIBUTING.md as it stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dwdp_sim.advice.candidates import Candidate, candidates, changes
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.kinds import DEFAULT
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.plan.strategy_file import load_kind
from dwdp_sim.steps.coarse_plan import make_coarse_plan
from dwdp_sim.sweep.page.sweep_jobs import read_jobs
from tests.dwdp_sim.advice.bases import small_baseline
from tests.recipe import write_recipe
from tests.test_docs import ROOT


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The recipe's commands; the working directory has its files."""
    monkeypatch.chdir(tmp_path)
    return write_recipe(tmp_path)


@pytest.mark.long
def test_the_recipe_runs_as_written(commands: str, tmp_path: Path) -> None:
    shell = ["bash", "-euo", "pipefail", "-c", commands]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    for run in ("layer", "steps", "host"):
        summary = json.loads((tmp_path / run / "summary.json").read_text())
        assert (summary["strategy"], summary["model"]) == ("pairwise", "my_moe_nvfp4")
    jobs = read_jobs(tmp_path / "sweep").finished
    assert set(jobs["strategy"]) == {"pairwise"}
    assert set(jobs["cluster"]) == {"my_node"}
    assert sorted(jobs["slice_bytes"]) == [2**16, 2**18]
    rows = json.loads((tmp_path / "advice" / "advice.json").read_text())["candidates"]
    (own,) = [row for row in rows if row["candidate"].startswith("pairwise")]
    assert own["changes"][0] == "one batch for each partner"


def test_its_strategy_is_a_candidate_whose_calls_are_counted_for_the_real_slices(commands: str) -> None:
    del commands
    pairwise = load_kind("my_strategy.py:pairwise", "strategy.path")
    current = Candidate(Strategy(DEFAULT))
    own = [one for one in candidates(current, [pairwise]) if one.strategy.kind == pairwise]
    assert len(own) == 8
    assert len({one.label for one in own}) == 8
    assert all(changes(one, current) == ["one batch for each partner"] for one in own)
    for one in own:
        plan = make_coarse_plan(small_baseline().model, Placement.create(16, 4), one.strategy, 8)
        assert (plan.calls, plan.calls_scale) == (4 * 3, 1.0)
        assert plan.plan.reads_one_source_a_call()
