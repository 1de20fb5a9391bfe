"""The `compute` group: which windows it describes, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.constant import PROVENANCES, ConstantConfig
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.steps.compute import ComputeConfig, build_windows, read_interference, read_peaks
from dwdp_sim.steps.compute_times import step_windows
from dwdp_sim.steps.requests import Chunk, RequestLoad, draw_steps
from dwdp_sim.steps.roofline import Roofline
from tests.dwdp_sim.presets import preset_compute, preset_model, preset_peaks

R1 = preset_model("deepseek_r1_nvfp4")
STEPS = draw_steps(RequestLoad(8192, 0.5, 16384), ranks=4, iterations=3, seed=0)
ROOFLINE = preset_compute("roofline_gb200")
CONSTANT = replace(preset_compute("constant"), window_s=0.005)


@pytest.mark.parametrize("name", sorted({path.stem for path in (config_dir() / "compute").glob("*.yaml")} - {"auto"}))
def test_every_shipped_constant_says_where_it_is_from(name: str) -> None:
    config = preset_compute(name)
    assert read_interference(config) == 1.0
    for constant in config.constants.values():
        assert constant.provenance in PROVENANCES
        assert constant.source
        assert constant.unit


def test_a_roofline_gives_the_windows_of_its_peaks() -> None:
    built = build_windows(ROOFLINE, R1, STEPS, seed=0)
    np.testing.assert_array_equal(built.moe_s, step_windows(Roofline(R1, preset_peaks("roofline_gb200")), STEPS).moe_s)


def test_a_constant_window_is_that_of_every_step_and_keeps_the_tokens() -> None:
    windows = build_windows(CONSTANT, R1, STEPS, seed=0)
    np.testing.assert_allclose(windows.before_s + windows.moe_s, 0.005)
    assert windows.tokens[1, 2] == sum(chunk.new_tokens for chunk in STEPS[1][2])


def test_a_window_by_tokens_follows_them() -> None:
    windows = build_windows(replace(CONSTANT, by_tokens=True), R1, STEPS, seed=0)
    expected = 0.005 * windows.tokens / windows.tokens.mean()
    np.testing.assert_allclose((windows.before_s + windows.moe_s)[..., 7], expected)


def test_windows_come_from_a_file_of_the_right_shape(tmp_path: Path) -> None:
    path = tmp_path / "windows.json"
    layers = np.full((1, 1, 58), 0.001).tolist()
    path.write_text(json.dumps({"lead_s": [[0.0]], "before_s": layers, "moe_s": layers}))
    config = replace(preset_compute("file"), file=str(path))
    windows = build_windows(config, R1, [[(Chunk(7),)]], seed=0)
    assert windows.layers == 58
    assert windows.tokens.tolist() == [[7]]  # those of the requests, where the file has none
    with pytest.raises(ConfigError, match=r"\(4, 3, 58\) ranks, iterations and MoE layers are wanted"):
        build_windows(config, R1, STEPS, seed=0)


@pytest.mark.parametrize("variation", [-0.1, 10.1, 1e30])
def test_a_variation_that_leaves_no_compute_is_refused(variation: float) -> None:
    with pytest.raises(ConfigError, match=r"compute.variation=.*: a coefficient of variation from 0 to 10 is wanted"):
        build_windows(replace(CONSTANT, variation=variation), R1, STEPS, seed=5)


def test_variation_is_laid_over_any_kind() -> None:
    varied = build_windows(replace(CONSTANT, variation=0.2), R1, STEPS, seed=5)
    assert len(np.unique(varied.moe_s)) == 4 * 3
    other = build_windows(replace(CONSTANT, variation=0.2, variation_per="layer"), R1, STEPS, seed=5)
    assert len(np.unique(other.moe_s)) == 4 * 3 * 58


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(ROOFLINE, kind="guess"), r"compute\.kind=guess: allowed: silicon, roofline, constant, file"),
        (replace(ROOFLINE, window_s=1.0), r"compute\.window_s=1\.0: only compute\.kind=constant has it"),
        (replace(ROOFLINE, file="a"), r"compute\.file=a: only compute\.kind=file has it"),
        (preset_compute("constant"), r"compute\.window_s=missing: compute\.kind=constant needs it"),
        (preset_compute("file"), r"compute\.file=missing: compute\.kind=file needs it"),
        (replace(CONSTANT, variation=-0.1), r"compute\.variation=-0\.1"),
        (replace(ROOFLINE, constants={}), r"compute\.constants\.attention_flops=missing"),
        (
            replace(ROOFLINE, constants=ROOFLINE.constants | {"flops_int3": ConstantConfig(1.0)}),
            r"compute\.constants\.flops_int3=unknown: allowed: flops_nvfp4",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(config: ComputeConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_windows(config, R1, STEPS, seed=0)


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        (ConstantConfig("fast"), r"compute\.constants\.attention_flops\.value=fast: a number"),
        (ConstantConfig(-1.0), r"compute\.constants\.attention_flops\.value=-1\.0: a number"),
        (ConstantConfig(0.0), r"compute\.constants\.attention_flops\.value=0\.0: a rate above zero"),
        (ConstantConfig(1.0, provenance="rumour"), r"compute\.constants\.attention_flops\.provenance=rumour"),
    ],
)
def test_a_constant_that_cannot_be_is_refused(constant: ConstantConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_peaks(replace(ROOFLINE, constants=ROOFLINE.constants | {"attention_flops": constant}))


def test_interference_below_one_is_refused() -> None:
    config = replace(CONSTANT, constants={"interference": ConstantConfig(0.9)})
    with pytest.raises(ConfigError, match=r"compute\.constants\.interference\.value=0\.9: a number ≥ 1"):
        read_interference(config)
