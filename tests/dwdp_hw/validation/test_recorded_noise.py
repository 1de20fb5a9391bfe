"""The noise of recorded rows: derived from them, and found where it was planted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dwdp_hw.rows.recording import Recording
from dwdp_hw.validation.recorded_noise import FILE, noise_for, noise_of, recorded_noise, text

MEASUREMENTS = Path(__file__).resolve().parents[3] / "measurements"


def test_the_committed_noise_is_what_the_recorded_rows_say() -> None:
    assert FILE.read_text(encoding="utf-8") == text(MEASUREMENTS)
    assert {(noise.gpu, noise.link) for noise in recorded_noise()} >= {
        ("NVIDIA H200", "peer"), ("NVIDIA H100 80GB HBM3", "host"),
    }  # fmt: skip


def test_a_link_never_measured_twice_has_the_largest_noise_of_its_kind_elsewhere() -> None:
    h100 = noise_for({"gpu": "NVIDIA H100 80GB HBM3"}, "host")
    assert h100.gpu == "NVIDIA H100 80GB HBM3"
    assert noise_for({"gpu": "another"}, "host") == max(
        (noise for noise in recorded_noise() if noise.link == "host"), key=lambda noise: noise.sigma
    )
    assert noise_for({"gpu": "another"}, "a new one").sigma == max(noise.sigma for noise in recorded_noise())


def test_planted_noise_and_planted_disturbances_are_found_again(recording: Recording) -> None:
    random = np.random.default_rng(0)
    rows = [row for row in recording.rows if row.queued and row.unstable is None]

    def again(number: int) -> Recording:
        moved = tuple(
            replace(row, median_s=tuple(s * np.exp(0.004 * random.standard_normal()) for s in row.median_s))
            for row in rows
        )
        if number == 0:
            moved = (replace(moved[0], median_s=tuple(1.1 * s for s in moved[0].median_s)), *moved[1:])
        return replace(recording, rows=moved)

    (found,) = noise_of([again(number) for number in range(12)])
    assert found.sigma == pytest.approx(0.004, rel=0.25)
    assert found.cases == len(rows)
    assert found.repeats == 11 * len(rows)
    assert found.far == 1
    assert 1 / found.repeats < found.doubt < 6 / found.repeats


def test_a_case_measured_once_says_nothing(recording: Recording) -> None:
    assert noise_of([recording]) == []
