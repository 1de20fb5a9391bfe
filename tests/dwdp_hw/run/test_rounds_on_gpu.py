"""Rounds on a GPU: its host link, measured in three groups of processes, with a reference that stays where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwdp_hw.cases.case import Settings
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.validation.live import calibration_cases, measure_rounds

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_a_gpu"), pytest.mark.filterwarnings("default")]


def test_cases_of_the_host_link_are_measured_in_rounds_that_agree(tmp_path: Path) -> None:
    wanted = ("size_solo_67108864", "loop_solo_1048576", "batch_as_issued_16_262144")
    cases = [case for case in calibration_cases(1) if case.name in wanted]
    path = tmp_path / "rows.json"
    recording = measure_rounds(cases, 1, Settings(), path, rounds=3, seed=0, note="a test")
    assert read_recording(str(path)).sha256 == recording.sha256
    assert {row.case for row in recording.rows} == set(wanted)
    long = next(row for row in recording.rows if row.case == "size_solo_67108864")
    assert len(long.rounds_s) == 1
    assert 1 <= len(long.rounds_s[0]) <= 6
    assert max(long.rounds_s[0]) < 1.5 * min(long.rounds_s[0])
