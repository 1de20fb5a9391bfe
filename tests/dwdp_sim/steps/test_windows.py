"""Compute windows: shapes, makers, variation, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.steps.windows import StepWindows, constant_windows, varied_windows, windows_from_file

FILE: dict[str, Any] = {
    "lead_s": [[0.001], [0.002]],
    "before_s": [[[0.003, 0.004, 0.005]], [[0.006, 0.007, 0.008]]],
    "moe_s": [[[0.1, 0.2, 0.3]], [[0.4, 0.5, 0.6]]],
}


def test_a_constant_window_is_split_by_its_share() -> None:
    windows = constant_windows(0.010, 0.3, (2, 3, 4), lead_s=0.002)
    assert (windows.ranks, windows.iterations, windows.layers) == (2, 3, 4)
    np.testing.assert_allclose(windows.before_s, 0.003)
    np.testing.assert_allclose(windows.moe_s, 0.007)
    np.testing.assert_allclose(windows.lead_s, 0.002)


def test_windows_in_proportion_to_tokens_have_the_given_mean() -> None:
    windows = constant_windows(0.010, 0.3, (2, 2, 4), tokens=[[100, 300], [200, 200]])
    np.testing.assert_allclose((windows.before_s + windows.moe_s)[..., 0], [[0.005, 0.015], [0.010, 0.010]])
    assert windows.tokens.tolist() == [[100, 300], [200, 200]]


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((-1.0, 0.5, (1, 1, 1)), "compute.window_s"),
        ((float("nan"), 0.5, (1, 1, 1)), "compute.window_s"),
        ((1e300, 0.5, (1, 1, 1)), "compute.window_s"),
        ((1.0, 1.5, (1, 1, 1)), "compute.before_share"),
        ((1.0, 0.5, (1, 1, 1), [[1, 2]]), "tokens"),
        ((1.0, 0.5, (1, 1, 0)), "moe_s"),
    ],
)
def test_a_constant_window_that_cannot_be_is_named(arguments: tuple[Any, ...], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        constant_windows(*arguments)
    assert error.value.key == key


@given(st.floats(0.0, 2.0), st.sampled_from(["iteration", "layer"]), st.integers(0, 99))
def test_varied_windows_stay_above_zero_and_a_seed_repeats_them(cv: float, per: str, seed: int) -> None:
    windows = constant_windows(0.010, 0.3, (2, 3, 4), lead_s=0.002)
    first, second = (varied_windows(windows, cv, per, seed) for _ in range(2))
    for name in ("lead_s", "before_s", "moe_s"):
        assert (getattr(first, name) > 0).all()
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("per", ["iteration", "layer"])
def test_variation_has_the_stated_mean_and_coefficient(per: str) -> None:
    # 20,000 factors of 20 %: the mean is known to 0.14 %, the coefficient to about 0.6 %; three times that is allowed.
    shape = (100, 200, 2) if per == "iteration" else (100, 20, 10)
    varied = varied_windows(constant_windows(0.010, 0.3, shape), 0.2, per, seed=1)
    factors = (varied.moe_s / 0.007)[..., 0] if per == "iteration" else varied.moe_s / 0.007
    assert factors.mean() == pytest.approx(1, abs=0.005)
    assert factors.std() / factors.mean() == pytest.approx(0.2, rel=0.02)


def test_one_factor_a_step_scales_the_whole_step() -> None:
    windows = constant_windows(0.010, 0.3, (2, 3, 4), lead_s=0.002)
    varied = varied_windows(windows, 0.5, "iteration", seed=0)
    factors = varied.lead_s / windows.lead_s
    np.testing.assert_allclose(varied.before_s / windows.before_s, np.repeat(factors[..., None], 4, axis=2))
    np.testing.assert_allclose(varied.moe_s / windows.moe_s, np.repeat(factors[..., None], 4, axis=2))
    assert len(np.unique(factors)) == 6


def test_one_factor_a_layer_scales_both_its_parts() -> None:
    windows = constant_windows(0.010, 0.3, (2, 3, 4), lead_s=0.002)
    varied = varied_windows(windows, 0.5, "layer", seed=0)
    np.testing.assert_allclose(varied.before_s / windows.before_s, varied.moe_s / windows.moe_s)
    assert len(np.unique(varied.moe_s)) == 24


def test_variation_that_cannot_be_is_named() -> None:
    windows = constant_windows(0.010, 0.3, (1, 1, 1))
    with pytest.raises(ConfigError, match=r"compute\.variation=-1"):
        varied_windows(windows, -1, "layer", 0)
    with pytest.raises(ConfigError, match=r"compute\.variation_per=rank: allowed: iteration, layer"):
        varied_windows(windows, 0.1, "rank", 0)


def test_a_file_gives_the_windows_that_it_holds(tmp_path: Path) -> None:
    windows = windows_from_file(write(tmp_path, FILE | {"tokens": [[7], [9]]}))
    assert windows.moe_s.tolist() == FILE["moe_s"]
    assert windows.before_s.tolist() == FILE["before_s"]
    assert windows.lead_s.tolist() == FILE["lead_s"]
    assert windows.tokens.tolist() == [[7], [9]]
    assert windows_from_file(write(tmp_path, FILE)).tokens.tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ([], "the file is a list of 0; expected `object`"),
        ({"moe_s": [[[1]]]}, "the file lacks the field 'lead_s'"),
        (FILE | {"extra": 1}, "the file has the unknown field 'extra'; known: lead_s"),
        (FILE | {"moe_s": [[[1, 2]], [[3]]]}, "moe_s=not a regular nested list"),
        (FILE | {"lead_s": [["a"], ["b"]]}, "lead_s[0][0] is a; expected `float`"),
        (FILE | {"lead_s": [[0.001]]}, "lead_s=shape (1, 1)"),
        (FILE | {"lead_s": [[0.001], [-0.002]]}, "lead_s[1][0] is -0.002; expected `float` >= 0.0"),
        (FILE | {"lead_s": [[0.001], [float("nan")]]}, "holds NaN; numbers must be finite"),
        (FILE | {"moe_s": []}, "moe_s=shape (0,)"),
        (FILE | {"tokens": [[1.5], [2]]}, "tokens[0][0] is 1.5; expected `int`"),
        (FILE | {"tokens": [[1e300], [2]]}, "tokens[0][0] is 1e+300; expected `int`"),
    ],
)
def test_a_file_without_windows_is_refused_in_one_line(content: object, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError) as error:
        windows_from_file(path)
    assert error.value.key == "compute.file"
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_windows_of_different_shapes_are_refused() -> None:
    lead, layers, tokens = np.zeros((2, 1)), np.zeros((2, 1, 3)), np.zeros((2, 1), dtype=np.int64)
    with pytest.raises(ConfigError, match="before_s=shape"):
        StepWindows(lead, layers[:, :, :2], layers, tokens)


def write(folder: Path, content: object) -> str:
    path = folder / "windows.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)
