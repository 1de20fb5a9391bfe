"""What a result says of values that are otherwise than in the files that were read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dwdp_sim.app import main
from dwdp_sim.job.overridden import Overridden, overridden, overridden_content, overridden_lines
from dwdp_sim.job.resolve import explicit_keys, resolve
from tests.dwdp_sim.composing import config_object
from tests.dwdp_sim.job.test_resolve import MIXTRAL


def named_files(folder: Path) -> list[str]:
    (folder / "config.json").write_text(json.dumps(MIXTRAL | {"torch_dtype": "bfloat16"}))
    (folder / "extra.yaml").write_text("dwdp_config: {dwdp_size: 2, contention_opt: true}")
    return ["model=hf", f"model.config_json={folder / 'config.json'}", f"dwdp.trtllm_yaml={folder / 'extra.yaml'}"]


def found(given: list[str]) -> tuple[Overridden, ...]:
    return overridden(resolve(config_object(*given), explicit_keys(given)))


def test_nothing_is_said_where_the_files_are_followed(tmp_path: Path) -> None:
    files = named_files(tmp_path)
    assert found(files) == found([*files, "model.top_k=2", "dwdp.dwdp_size=2", "model.name=mine"]) == ()
    assert overridden_content(()) == {}
    assert overridden_lines(()) == []


def test_every_value_of_the_user_s_is_named_with_the_file_s_own(tmp_path: Path) -> None:
    files = named_files(tmp_path)
    given = [*files, "model.num_layers=12", "model.format=nvfp4", "dwdp.dwdp_size=4", "strategy=ring"]
    said = {one.key: (one.value, one.file_value) for one in found(given)}
    assert said == {
        "model.num_layers": (12, 32), "model.num_moe_layers": (12, 32), "model.format": ("nvfp4", "bf16"),
        "dwdp.dwdp_size": (4, 2), "strategy.name": ("ring", "batched"),
    }  # fmt: skip
    shape, group = overridden_lines(found(given))
    assert shape.startswith(f"otherwise than in {tmp_path}/config.json: ")
    assert "model.num_layers=12 (file: 32)" in shape
    assert group.endswith("dwdp.dwdp_size=4 (file: 2), strategy.name=ring (file: batched)")


@pytest.mark.parametrize("workload", ["layer", "iteration"])
def test_a_run_says_it_on_the_screen_and_in_its_summary(
    workload: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["model.num_layers=2", "workload.range=false", "workload.draws=1", "hydra.run.dir=out"]
    steps = ["compute=constant", "compute.window_s=1e-3", "workload.iterations=1", "workload.replications=1"]
    given = [*named_files(tmp_path), *small, f"workload={workload}", *(steps if workload == "iteration" else [])]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", *given])
    main()
    assert "model.num_layers=2 (file: 32)" in capsys.readouterr().out
    first, second = json.loads((tmp_path / "out" / "summary.json").read_text())["overridden"]
    assert first == {"key": "model.num_layers", "value": 2, "file_value": 32, "file": str(tmp_path / "config.json")}
    assert second["key"] == "model.num_moe_layers"
