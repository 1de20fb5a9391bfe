"""Tuning finds the best of what it may choose, always the same, and says how to run it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dwdp_sim.app import main as simulate_main
from dwdp_sim.config import StrategyConfig
from dwdp_sim.errors import ConfigError
from dwdp_sim.tune.app import main
from dwdp_sim.tune.config import TuneConfig
from dwdp_sim.tune.search import STRATEGIES, Choice, Trial, alike, choices, search
from tests.dwdp_sim.composing import config_object

SMALL = ("model=deepseek_v3_lite_nvfp4", "tune.slice_bytes=[4MiB,8MiB,null]", "tune.wave_copies=[8]")


def bowl(best: Choice) -> Callable[[Choice], float]:
    """Seconds that are least at `best`, more the more a choice differs from it."""

    def measure(choice: Choice) -> float:
        return 1.0 + sum(
            getattr(choice, name) != getattr(best, name) for name in ("strategy", "slice_bytes", "wave_copies")
        )

    return measure


def test_few_combinations_are_all_tried_each_once() -> None:
    tune = TuneConfig()
    asked: list[Choice] = []
    best = Choice("waves", "8MiB", 16)

    def measure(choice: Choice) -> float:
        asked.append(choice)
        return bowl(best)(choice)

    trials = search(tune, 0, measure)
    # default and ring; three strategies of 9 slices; waves of 9 slices and 4 sizes of a wave: 2 + 27 + 36.
    assert len(asked) == len(set(asked)) == len(trials) == 65
    assert trials[0].choice == best
    assert [trial.value_s for trial in trials] == sorted(trial.value_s for trial in trials)


def test_of_many_combinations_a_third_finds_the_best_the_same_way_each_time() -> None:
    tune = TuneConfig(trials=22)
    best = Choice("paced_rounds", "1MiB")
    trials = search(tune, 5, bowl(best))
    assert len(trials) == len({trial.choice for trial in trials}) == 22
    assert trials[0].choice == best
    assert search(tune, 5, bowl(best)) == trials


def test_only_a_part_of_the_combinations_needs_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert len(search(TuneConfig(), 0, bowl(Choice("ring")))) == 65
    with pytest.raises(ConfigError, match=r"tune\.trials=22: fewer than all 65 combinations need Optuna: pip install"):
        search(TuneConfig(trials=22), 0, bowl(Choice("ring")))


def test_strategies_are_those_of_the_files() -> None:
    for name in STRATEGIES:
        file = config_object(f"strategy={name}").strategy
        choice = Choice(name, None if file.slice_bytes is None else str(file.slice_bytes))
        assert choice.apply(StrategyConfig(implementation="trtllm_vmm")).__dict__ == {
            **file.__dict__, "implementation": "trtllm_vmm"
        }  # fmt: skip


@pytest.mark.parametrize("key", ["strategies", "slice_bytes", "wave_copies"])
def test_an_empty_choice_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"tune\.{key}=\[\]: at least one is wanted"):
        choices(TuneConfig(**{key: []}))


def run(
    entry: Callable[[], None], name: str, arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments, f"hydra.run.dir={folder}"])
    entry()


def test_what_it_prints_to_paste_gives_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(main, "dwdp-tune", [*SMALL], tmp_path / "tune", monkeypatch)
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "tune" / "tune.json").read_text())
    assert len(found["trials"]) == 2 + 4 * 3
    assert "its time over hypotheses" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("dwdp-sim ")]
    run(simulate_main, "dwdp-sim", shlex.split(line)[1:], tmp_path / "sim", monkeypatch)
    summary = json.loads((tmp_path / "sim" / "summary.json").read_text())
    assert summary["prefetch_latency_s"]["mean"] == found["best"]["prefetch_latency_s"]["mean"]
    assert summary["prefetch_latency_s"]["mean"] <= found["trials"][0]["value_s"] * 1.005


def test_of_equals_it_prints_what_engines_offer() -> None:
    trials = [Trial(Choice("paced_rounds", "8MiB"), 1.0), Trial(Choice("batched", "8MiB"), 1.0)]
    trials += [Trial(Choice("batched", "2MiB"), 1.004), Trial(Choice("default"), 1.006)]
    assert [trial.choice for trial in alike(trials)] == [
        Choice("batched", "2MiB"), Choice("batched", "8MiB"), Choice("paced_rounds", "8MiB")
    ]  # fmt: skip
    trials[-1] = Trial(Choice("default"), 1.005)
    assert alike(trials)[0].choice == Choice("default")


def test_few_trials_include_the_default_copies() -> None:
    trials = search(TuneConfig(trials=3), 0, bowl(Choice("ring")))
    assert Choice("default") in [trial.choice for trial in trials]


def test_the_worst_case_is_that_of_the_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("tune.strategies=[batched]", "tune.slice_bytes=[8MiB]", "tune.objective=worst")
    run(main, "dwdp-tune", [*SMALL, *few], tmp_path, monkeypatch)
    found = json.loads((tmp_path / "tune.json").read_text())
    assert found["trials"][0]["value_s"] == found["best"]["range_s"]["mean"][1] > found["best"]["range_s"]["mean"][0]


BAD = {
    "a strategy of one's own": (["strategy=ring"], "strategy=ring: dwdp-tune chooses it"),
    "a slice of one's own": (["strategy.slice_bytes=1MiB"], "strategy.slice_bytes=1MiB: dwdp-tune chooses it"),
    "an unknown strategy": (["tune.strategies=[best]"], "tune.strategies=best: allowed: default, ring"),
    "an unknown objective": (["tune.objective=cost"], "tune.objective=cost: allowed with workload=layer: mean"),
    "a results folder": (["results_dir=rows"], "results_dir=rows: only dwdp-sim -m writes rows"),
    "no trial": (["tune.trials=0"], "tune.trials=0: at least 1 is wanted"),
    "no size": (["tune.slice_bytes=[2MiX]"], "strategy.slice_bytes=2MiX: a size"),
    "a replay": (["workload=replay", "workload.file=none"], "workload.kind=replay: allowed: layer, iteration"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_before_anything_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = BAD[name]
    with pytest.raises(SystemExit) as stopped:
        run(main, "dwdp-tune", ["model=deepseek_v3_lite_nvfp4", *arguments], tmp_path / "out", monkeypatch)
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert not (tmp_path / "out").exists()
