"""What recorded copies say of the model: how near it is, and where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from dwdp_hw.rows.predict import predict, predict_mean_s
from dwdp_hw.rows.recording import read_recording
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.presets import read_cluster

ROOT = Path(__file__).resolve().parents[3]
MEASUREMENTS = ROOT / "measurements"
CAMPAIGNS = ("h200_x2_ordered", "h200_x2_random", "h200_x2_random_again")
OUTCOMES = json.loads((ROOT / "docs/data/validations.json").read_text(encoding="utf-8"))
"""Of every recorded row; tests/test_figures.py proves that they are the present ones."""


def errors(name: str, cluster: str, cases: str) -> dict[str, float]:
    """Signed, of the cases that begin so, by case; of one rank alone."""
    rows = [row for row in read_recording(str(MEASUREMENTS / f"{name}.json")).rows if row.case.startswith(cases)]
    constants = read_cluster(cluster)
    return {row.case: float(predict_mean_s(row, constants, FabricOptions())[0]) / row.median_s[0] - 1 for row in rows}


@pytest.mark.parametrize("name", ["processes", "live", "ordered", "random", "random_again"])
def test_two_gpu_rows_keep_their_bar(name: str) -> None:
    assert OUTCOMES[name]["queued"]["p95_abs_error"] <= 0.01


@pytest.mark.parametrize("name", ["ordered", "random", "random_again"])
def test_the_faster_strategy_was_predicted_in_every_pair_that_the_measurement_tells_apart(name: str) -> None:
    assert OUTCOMES[name]["pairs_right"] == OUTCOMES[name]["pairs"] > 70


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_train_of_64_kib_is_predicted_while_its_queue_holds_it_and_does_not_count_beyond(name: str) -> None:
    short = errors(name, "h200_x2", "loop_solo_65536")["loop_solo_65536"]
    (beyond,) = OUTCOMES[name.removeprefix("h200_x2_")]["beyond_queue"]
    assert abs(short) <= 0.025 < -beyond
    (long,) = [row for row in read_recording(str(MEASUREMENTS / f"{name}.json")).rows if row.case == "loop_long_65536"]
    assert long.beyond_queue == 1024 - 800
    assert long.unstable is not None


def test_one_rate_describes_copies_inside_a_gpu_from_32_mib_on_and_in_trains_of_2_mib() -> None:
    # Trains of 2 MiB: 3.0 + 2 MiB ÷ 1.51 TB/s = 4.39 µs a copy. One copy of 8 MiB: 3.4 + 5.56 = 8.96 µs; measured 5.89.
    cluster, content = read_cluster("h100_x1_host"), json.loads((MEASUREMENTS / "h100_x1_host_link.json").read_text())
    measured_us = {row["bytes"]: row["same_gpu_us"][0] for row in content["rows"]}
    fixed_us, rate = 1e6 * cluster.number("local_fixed_s"), cluster.rate("local_bytes_per_s")
    error = {size: (fixed_us + 1e6 * size / rate) / time_us - 1 for size, time_us in measured_us.items()}
    assert max(abs(error[size]) for size in error if size >= 32 << 20) <= 0.05
    assert max(map(abs, errors("h100_x1_host_experts", "h100_x1_host", "local").values())) <= 0.05


def test_nearly_all_of_the_fixed_part_lies_before_the_first_byte() -> None:
    # A watched run has, for each call, the arrival of its last byte and the moment at which the call was over. Stamps
    # are good to 1 µs, so that what lies between them, 1 µs and less, cannot be told from nothing.
    after_us = []
    for name in CAMPAIGNS:
        content = json.loads((MEASUREMENTS / f"{name}.json").read_text())
        for stream in (stream for row in content["rows"] for stream in row.get("arrival_us", ())):
            seen = [time for time in stream["copies"] if time is not None]
            after_us.append(stream["call_ends"][-1] - max(seen))
    low, median, high = np.percentile(after_us, [5, 50, 95])
    fixed_us = 1e6 * read_cluster("h200_x2").number("peer_fixed_s")
    assert len(after_us) == 60
    assert -1.0 < low < 0.0 < median < 1.0 < high < 2.0 < fixed_us / 4


def test_the_compiled_engine_predicts_a_row_of_many_copies_and_simpy_one_of_few_whatever_was_predicted_before() -> None:
    recording = read_recording(str(MEASUREMENTS / "h200_x2_validation_1.json"))
    rows = {len(row.program.copy_bytes): row for row in recording.rows}
    few, many, cluster = rows[min(rows)], rows[max(rows)], read_cluster("h200_x2")
    assert len(few.program.copy_bytes) < 60 < len(many.program.copy_bytes)
    with mock.patch("dwdp_sim.fabric.repeated.simulate", wraps=simulate) as readable:
        for _ in range(2):
            predict(many, cluster, FabricOptions())
            assert not readable.called
            predict(few, cluster, FabricOptions())
            assert readable.called
            readable.reset_mock()
