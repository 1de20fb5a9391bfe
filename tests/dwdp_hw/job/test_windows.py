"""`mode=windows`: which layers are timed, what stands in its files, and that the simulator reads the windows."""

from __future__ import annotations

import json
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dwdp_hw.command import time_windows
from dwdp_hw.job import windows
from dwdp_hw.job.schema import HwConfig, register_hw_schemas
from dwdp_hw.job.windows import WindowsJob, build_windows_job
from dwdp_hw.job.windows_report import PARTS
from dwdp_hw.kernels.expected import expected_layer
from dwdp_hw.kernels.timing import Effort, LayerTiming, Rounds
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.steps.compute import ComputeConfig, build_windows
from dwdp_sim.steps.requests import Chunk

R1 = (
    "model=deepseek_r1_fp8",
    "cluster=hgx_h200",
    "workload=iteration",
    "workload.isl=4096",
    "workload.ratio=1",
    "workload.max_num_tokens=8192",
    "workload.warmup=0",
    "workload.iterations=2",
)
MACHINE = {"gpu": "NVIDIA H200", "torch": "2.11", "cuda": "13.0", "cudnn": 91000}
SLOWER = 2.0  # than sglang's tables


class _Layer:
    """A layer that no GPU has to hold."""

    def __init__(self, torch: object, model: Any, lengths: Sequence[int], *, dense: bool, seed: int) -> None:
        self.expected = expected_layer(model, "H200", tuple(map(Chunk, lengths)), dense=dense)["sglang"]
        self.dense = dense

    def close(self) -> None:
        pass


def _timing(torch: object, layer: _Layer, effort: Effort, seed: int) -> LayerTiming:
    """Every operation takes twice what sglang's tables say, each round one per cent more than the last."""

    def rounds(seconds: float) -> Rounds:
        return Rounds.of([[SLOWER * seconds * (1 + 0.01 * number)] * effort.repeats for number in (-1, 0, 1)])

    expected = layer.expected
    assert expected.before_s is not None
    assert expected.moe_s is not None
    return LayerTiming(
        operations={name: rounds(one.seconds) for name, one in expected.operations.items()},
        before=rounds(expected.before_s),
        moe=None if layer.dense else rounds(expected.moe_s),
    )


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "count_gpus", lambda: 1)
    monkeypatch.setattr(windows, "open_torch", lambda: types.ModuleType("torch"))
    monkeypatch.setattr(windows, "refuse_gpu", lambda torch, model: None)
    monkeypatch.setattr(windows, "TorchLayer", _Layer)
    monkeypatch.setattr(windows, "time_layer", _timing)
    monkeypatch.setattr(windows, "describe", lambda torch: MACHINE)


def job(*overrides: str) -> WindowsJob:
    register_hw_schemas()
    return build_windows_job(compose("hw", HwConfig, ["mode=windows", *overrides], [str(config_dir())]), overrides)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_windows_are_those_that_the_simulator_reads(tmp_path: Path) -> None:
    timed = job(*R1)
    time_windows(timed, tmp_path, Console(quiet=True))
    steps = [[tuple(map(Chunk, lengths)) for lengths in rank] for rank in timed.ranks]
    found = build_windows(ComputeConfig(kind="file", file=str(tmp_path / "windows.json")), timed.model, steps, seed=0)
    assert found.moe_s.shape == found.before_s.shape == (2, 2, timed.model.num_moe_layers)
    assert found.tokens.tolist() == [[8192] * 2] * 2
    moe, dense = (expected_layer(timed.model, "H200", steps[0][0], dense=dense)["sglang"] for dense in (False, True))
    assert moe.before_s is not None
    assert moe.moe_s is not None
    assert dense.before_s is not None
    assert found.before_s == pytest.approx(SLOWER * moe.before_s, abs=1e-9)
    assert found.moe_s == pytest.approx(SLOWER * moe.moe_s, abs=1e-9)
    assert found.lead_s == pytest.approx(SLOWER * dense.before_s * timed.model.num_dense_layers, abs=1e-8)


def test_rows_lay_measured_beside_expected_and_the_expectation_stands_alone(tmp_path: Path) -> None:
    time_windows(job(*R1), tmp_path, Console(quiet=True))
    assert {path.name for path in tmp_path.iterdir()} == {
        "predictions.json",
        "windows.json",
        "kernels.json",
        "config.yaml",
        "summary.json",
    }
    said, kernels, summary = (read(tmp_path / f"{name}.json") for name in ("predictions", "kernels", "summary"))
    assert said["model"] == kernels["model"] == summary["model"] == "deepseek_r1_fp8"
    assert "machine" not in said
    assert kernels["machine"] == summary["machine"] == MACHINE
    fields = ("requests", "layer", "operation", "expected")
    by_name = {json.dumps([row[name] for name in fields]) for row in said["rows"]}
    assert by_name == {json.dumps([row[name] for name in fields]) for row in kernels["rows"]}
    assert {row["layer"] for row in kernels["rows"]} == {"dense", "moe"}
    for row in kernels["rows"]:
        assert row["requests"] == [4096, 4096]
        assert set(row["expected"]["sglang"]) == {"us", "how", "kernels"}
        assert set(row["measured"]) == {"median_us", "min_us", "max_us", "rounds_us"}
        assert row["error"]["sglang"] == pytest.approx(1 / SLOWER - 1, abs=2e-2)  # microseconds have two places
        assert len(row["measured"]["rounds_us"]) == 3
    assert summary["steps"] == [[4096, 4096]]
    assert {row["operation"] for row in summary["windows"]} == set(PARTS)
    assert summary["operations"]["sglang"]["median_abs_error"] == pytest.approx(1 - 1 / SLOWER, abs=1e-2)


def test_equal_steps_are_timed_once_and_each_kind_of_layer_for_itself() -> None:
    timed = job(*R1, "workload.ratio=0.5", "workload.iterations=3")
    assert len(timed.ranks) == 2
    assert [len(rank) for rank in timed.ranks] == [3, 3]
    steps = {lengths for rank in timed.ranks for lengths in rank}
    assert len(steps) == 6
    assert [layer.dense for layer in timed.layers] == [False, True] * 6
    assert {layer.lengths for layer in timed.layers} == steps
    assert job(*R1, "workload.iterations=5").layers == job(*R1).layers


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("workload.max_num_tokens=2048",), r"workload\.max_num_tokens=2048: a request of 4096 tokens or more is cut"),
        (("model=deepseek_r1_nvfp4",), r"model\.format=nvfp4: "),
        (("backend=host",), r"backend\.executor=host: mode=windows measures a GPU's kernels"),
        (("backend.rounds=0",), r"backend\.rounds=0: must be from 1 to 100000"),
        (("workload.iterations=0",), r"workload\.iterations=0: "),
        (("workload=published",), r"workload\.kind=published: kernels are measured for layer or iteration"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(
    overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        job(*R1, *overrides)
