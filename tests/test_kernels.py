"""Kernels of torch on one H200 beside the measured tables (`studies/kernels.py`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from dwdp_sim.silicon.tables import BACKENDS, Kernels, Tables

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "studies"))
from kernels import Case, cases, expected_s  # noqa: E402


@pytest.mark.parametrize("gpu", ["h200", "h100"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_was_expected_beforehand_is_what_the_tables_say_now(gpu: str, backend: str) -> None:
    kernels = Tables.presets().on(gpu, backend)
    said = {row["case"]: row[f"{backend}_us"] for row in rows(f"predictions/{gpu}_kernels.json")}
    assert said == {case.name: pytest.approx(expected(case, kernels), abs=0.01) for case in cases()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_kernels_of_torch_are_expected_within_15_percent_in_the_median(backend: str) -> None:
    expected_us = {row["case"]: row[f"{backend}_us"] for row in rows("predictions/h200_kernels.json")}
    errors = [abs(row["median_us"] / expected_us[row["case"]] - 1) for row in rows("h200_kernels.json")]
    assert len(errors) == len(list(cases()))
    assert median(errors) <= 0.15


def test_engines_differ_by_what_the_page_says() -> None:
    expected_us = {row["case"]: row for row in rows("predictions/h200_kernels.json")}
    measured_us = {row["case"]: row["median_us"] for row in rows("h200_kernels.json")}
    latent, experts = "deepseek_r1_fp8 attention 2 x 8192", "mixtral_8x7b_bf16 experts 16384"
    assert expected_us[latent]["sglang_us"] / measured_us[latent] == pytest.approx(3, rel=0.2)
    assert expected_us[experts]["trtllm_us"] / measured_us[experts] == pytest.approx(2 / 3, rel=0.1)


def expected(case: Case, kernels: Kernels) -> float:
    seconds = expected_s(case, kernels)
    assert seconds is not None
    return seconds * 1e6


def rows(file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / "measurements" / file).read_text(encoding="utf-8"))["rows"]
    return found
