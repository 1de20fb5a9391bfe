"""`dwdp-advise` as a user meets it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_sim.advice.app import main
from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.advice.config import AdviseConfig
from dwdp_sim.advice.engine_settings import engine_settings
from dwdp_sim.job.fingerprint import hash_config
from dwdp_sim.job.trtllm_file import DwdpBlock, read_dwdp_block
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_sim.advice.bases import SMALL, small_config

GROUPS = ["model=deepseek_v3_lite_nvfp4", "compute=constant", "workers=1", "advise.screen_layers=2"]
BAD = {
    "a time without a unit": (
        ["advise.within=10"],
        "advise.within=10: a time of at most a week with its unit",
    ),
    "a map in a hurry": (["advise.within=10s", "show=map"], "advise.within=10s: a map is drawn whole: leave it out"),
    "a sweep as one document": (["-m", "seed=0,1", "json=true"], "json=true: -m has many results: leave it out, give"),
    "an unknown show": (["show=picture"], "advise.show=picture: allowed: advice, map"),
    "no layers": (["advise.screen_layers=1"], "advise.screen_layers=1: must be from 2 to 1000"),
    "nothing to copy": (["advise.copies=0"], "advise.copies=0: must be from 1 to 1000000000"),
    "a single layer": (["workload=layer"], "workload.kind=layer: dwdp-advise compares forward steps"),
    "one seed": (["workload.replications=1"], "workload.replications=1: an interval takes at least 2"),
    "a target": (["workload.target=0.1"], "workload.target=0.1: dwdp-advise runs all replications"),
    "rows": (["results_dir=x"], "results_dir=x: only dwdp-sim -m writes rows"),
    "no peers": (["cluster=h100_x1_host", "compute=constant", "compute.window_s=1"], "cluster.home=host: dwdp-advise"),
    "an unknown key": (["advise.screen=3"], "there is no key 'screen'; nearest: advise.screen_layers"),
    "a bad window": (
        ["compute=constant", "compute.window_s=-1"],
        "compute.window_s=-1.0: seconds from 0 to",
    ),
}


def advise(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["dwdp-advise", *arguments])
    main()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_two_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        advise(monkeypatch, *arguments)
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert list(tmp_path.iterdir()) == []


def test_the_verdict_comes_first_and_everything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [f"{key}={value}" for key, value in SMALL.items()]
    # Gaps of 1 ms against 0.08 ms of bytes: batching gains, whatever else is true.
    gaps = ["cluster.constants.peer_gap_s.value=[[1,0.001]]", "workload.slots=2"]
    advise(monkeypatch, *GROUPS, *small, *gaps, f"hydra.run.dir={tmp_path}")
    printed = capsys.readouterr().out
    assert printed.startswith("Take contention_opt: true: a forward step takes ")
    assert "\x1b" not in printed
    assert max(len(line) for line in printed.splitlines() if not line.startswith("written to")) <= 120
    for part in (
        "default (yours)",
        "where it turns",
        "slice size",
        "host",
        "placement",
        "rests on",
        "contention_opt: true",
    ):
        assert part in printed
    content = json.loads((tmp_path / "advice.json").read_text())
    assert content["today"] == "batched 2 MiB"
    assert content["load"]["window_s"] == pytest.approx(1e-4)
    rows = {row["candidate"]: row for row in content["candidates"]}
    low, high = rows["batched 2 MiB"]["gain_range"]
    assert 0 < low <= rows["batched 2 MiB"]["gain"]["mean"] <= high
    assert len(content["screened"]) > 34
    assert (tmp_path / "config.yaml").is_file()


def test_an_answer_in_no_time_says_what_it_has_not_looked_at_on_the_screen_and_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [f"{key}={value}" for key, value in SMALL.items()]
    advise(monkeypatch, *GROUPS, *small, "advise.within=0ms", f"hydra.run.dir={tmp_path}")
    printed = capsys.readouterr()
    screen = " ".join(printed.out.split())
    assert screen.startswith("So far, over 1 of 3 hypotheses (2 MoE layers of a step, at most 2 seeds): take ")
    assert "Not looked at yet: the other hypotheses, other candidates, more layers and seeds, where it turns" in screen
    assert "\nslice size\n" not in printed.out
    (line,) = printed.err.splitlines()
    assert line.startswith("after ")
    assert "s: So far, over 1 of 3 hypotheses" in line
    content = json.loads((tmp_path / "advice.json").read_text())
    assert content["complete"] is False
    assert content["missing"][0] == "hypotheses"
    assert content["looked_at"]["hypotheses"] == 1
    assert content["turning"] is content["placements"] is None


def test_json_is_the_file_and_nothing_else_on_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [f"{key}={value}" for key, value in SMALL.items()]
    advise(monkeypatch, *GROUPS, *small, "advise.within=0s", "json=true", f"hydra.run.dir={tmp_path}")
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "advice.json").read_text()
    assert json.loads(printed)["would_change"] == "Nothing that has been looked at so far would change it."


def test_neither_a_time_limit_nor_json_changes_what_a_configuration_is() -> None:
    plain, other = small_config(), replace(small_config(), advise=AdviseConfig(within="1s"), json=True)
    assert hash_config(plain) == hash_config(replace(plain, json=True))
    assert hash_config(other) == hash_config(replace(plain, advise=AdviseConfig()))


def test_a_map_is_a_picture_and_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [f"{key}={value}" for key, value in SMALL.items()]
    places = ["advise.map_ratios=2", "advise.map_variations=2"]
    advise(monkeypatch, *GROUPS, *small, *places, "show=map", f"hydra.run.dir={tmp_path}")
    assert "uncontended prefetch" in capsys.readouterr().out
    content = json.loads((tmp_path / "map.json").read_text())
    assert [(p["ratio"], p["cv"]) for p in content["points"]] == [(0.25, 0.0), (0.25, 0.3), (4.0, 0.0), (4.0, 0.3)]
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["default", "batched"])
def test_what_to_paste_for_tensorrt_llm_is_what_it_reads(name: str, tmp_path: Path) -> None:
    candidate = Candidate(Strategy(STRATEGIES[name]), False)
    (tmp_path / "extra.yaml").write_text(engine_settings(candidate, Placement.create(256, 3), 8192))
    assert read_dwdp_block(str(tmp_path / "extra.yaml")) == DwdpBlock(3, 86, 85, name == "batched")


def test_what_to_paste_claims_no_setting_for_a_strategy_of_one_s_own() -> None:
    own = replace(STRATEGIES["ring"], name="mine")
    text = engine_settings(Candidate(Strategy(own), False), Placement.create(256, 4), 8192)
    assert text.splitlines()[-1] == "  # contention_opt: no setting of the engine chooses mine"


def test_another_strategy_counts_by_its_contents_wherever_its_file_is(tmp_path: Path) -> None:
    hashes = []
    for folder, name in (("a", "mine"), ("b", "mine"), ("c", "other")):
        path = tmp_path / folder / "own.py"
        path.parent.mkdir()
        path.write_text(f"name = {name!r}\n")
        hashes.append(hash_config(replace(small_config(), advise=AdviseConfig(also=f"{path}:name"))))
    assert hashes[0] == hashes[1] != hashes[2]


def test_what_to_paste_for_sglang_are_its_flags() -> None:
    line = engine_settings(Candidate(Strategy(STRATEGIES["default"], "sglang"), False), Placement.create(128, 4), 16384)
    assert "--tp-size 4 --dwdp-size 4 --disaggregation-mode prefill --chunked-prefill-size 16384" in line
