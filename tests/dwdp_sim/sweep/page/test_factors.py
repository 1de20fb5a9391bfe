"""What jobs differ in is found, whatever it is called; what follows from a name is not counted again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.base.units import format_percent
from dwdp_sim.sweep.page.factors import Factor, find_factors, held
from dwdp_sim.sweep.page.labels import label_of, plain, text_of
from dwdp_sim.sweep.page.sweep_jobs import read_jobs
from tests.dwdp_sim.sweep.page.sweeps import LAYER, write_sweep


def factors_of(path: Path, *lines: tuple[str, ...]) -> dict[str, Factor]:
    return {factor.name: factor for factor in find_factors(read_jobs(write_sweep(path, lines)))}


def test_what_follows_from_the_model_s_name_is_no_factor(tmp_path: Path) -> None:
    small, large = "model=deepseek_v3_lite_nvfp4", "model=qwen3_235b_nvfp4"
    lines = [(model, f"strategy={name}") for model in (small, large) for name in ("batched", "default")]
    found = factors_of(tmp_path, *lines)
    assert list(found) == ["model", "strategy"]  # neither hidden_size nor num_experts_per_worker nor slice_bytes
    assert found["strategy"].texts == ["default", "batched"]  # what is the default comes first


def test_no_value_is_a_value_and_comes_last(tmp_path: Path) -> None:
    lines = [(*LAYER, f"strategy={name}", f"strategy.slice_bytes={size}") for name, size in
             (("default", "2MiB"), ("batched", "2MiB"), ("batched", "512KiB"))]  # fmt: skip
    slices = factors_of(tmp_path, *lines)["slice_bytes"]
    assert slices.values == (2**19, 2**21, None)
    assert slices.texts == ["512 KiB", "2 MiB", "whole pulls"]
    assert slices.ordered
    assert not slices.numeric


def test_a_constant_without_a_column_is_a_factor_under_its_own_name(tmp_path: Path) -> None:
    key = "cluster.constants.pair_bytes_per_s.value"
    found = factors_of(tmp_path, *((*LAYER, f"{key}={rate}e9") for rate in (300, 350, 400)))
    assert list(found) == [key]
    assert found[key].label == "pair rate"
    assert found[key].texts == ["300 GB/s", "350 GB/s", "400 GB/s"]
    assert found[key].numeric


def test_experts_held_follow_from_those_pulled(tmp_path: Path) -> None:
    lines = [(*LAYER, f"dwdp.num_prefetch_experts={p}", "dwdp.num_experts_per_worker=null") for p in (20, 30, 36)]
    assert list(factors_of(tmp_path, *lines)) == ["num_prefetch_experts"]


def test_values_are_found_again_through_their_codes(tmp_path: Path) -> None:
    sizes = ["8MiB", "512KiB", "2MiB"]
    path = write_sweep(tmp_path, [(*LAYER, f"strategy.slice_bytes={size}") for size in sizes])
    jobs = read_jobs(path)
    (factor,) = find_factors(jobs)
    assert factor.values == (2**19, 2**21, 2**23)
    assert [factor.values[code] for code in factor.codes] == jobs.finished["slice_bytes"].tolist()


def test_what_is_the_same_in_all_jobs_is_told_with_units(tmp_path: Path) -> None:
    same = held(read_jobs(write_sweep(tmp_path, [(*LAYER, f"seed={seed}") for seed in (0, 1)])))
    assert same["slice_bytes"] == "2 MiB"
    assert same["both_ways"] == "yes"
    assert "seed" not in same
    assert "isl" not in same


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("slice_bytes", 524288, "512 KiB"),
        ("slice_bytes", None, "whole pulls"),
        ("barrier", None, "–"),
        ("carry_over", False, "no"),
        ("issue_slice_s", 6.7e-7, "670 ns"),
        ("cluster.constants.egress_bytes_per_s.value", 398e9, "398 GB/s"),
        ("ratio", 0.8, "0.8"),
        ("model", "<b>", "<b>"),
    ],
)
def test_values_read_with_their_units(name: str, value: str | float | bool | None, text: str) -> None:
    assert text_of(name, value) == text


def test_names_read_as_words() -> None:
    assert label_of("dwdp_size") == "ranks N"
    assert label_of("wave_copies") == "wave copies"
    assert label_of("cluster.constants.peer_gap_s.value") == "peer gap"
    assert plain({"pull": 0.94, "push": [1, 2.5]}) == "pull: 0.94, push: [1, 2.5]"


@given(st.floats(-10, 10))
def test_a_change_reads_with_its_sign_unless_it_rounds_to_nothing(change: float) -> None:
    text = format_percent(change, signed=True)
    if text == "0.0 %":
        assert abs(change) <= 0.0005 + 1e-12
    else:
        assert text[0] == ("+" if change > 0 else "−")
        assert float(text.removesuffix(" %").replace("−", "-")) == pytest.approx(100 * change, abs=0.0501)
