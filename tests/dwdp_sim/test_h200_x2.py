"""The measured cluster `h200_x2` against the rows it was made from, and against those it was not.

Its constants come from the rows size_*, loop_solo_*, batch_both_8388608 and one host-time row. The first tests repeat
that arithmetic from the file, so that no other row can have crept in; the last ones check all other rows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dwdp_sim.build import build_cluster
from dwdp_sim.cluster import Cluster, FabricOptions, constants_for
from dwdp_sim.config import ClusterConfig, ConstantConfig
from dwdp_sim.recorded import RecordedRow, read_recording
from dwdp_sim.simulate import simulate

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "measurements" / "h200_x2_ipc.json"
FITTED = ("size_solo_", "loop_solo_", "batch_both_8388608", "v3lite36_batched_both_2M_nogate")


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    content = yaml.safe_load((ROOT / "conf" / "cluster" / "h200_x2.yaml").read_text())
    constants = {name: ConstantConfig(**constant) for name, constant in content.pop("constants").items()}
    return build_cluster(ClusterConfig(constants=constants, **content))


def median_us(case: str) -> list[float]:
    return [time["median"] for time in raw(case)["device_us"]]


def raw(case: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = json.loads(ROWS.read_text())["rows"]
    return next(row for row in rows if row["case"] == case)


def test_the_rate_is_bytes_over_time_between_the_two_largest_single_copies(cluster: Cluster) -> None:
    # (256 MiB − 64 MiB) ÷ (687.5 µs − 179.3 µs) = 396.2 GB/s
    time_us = median_us("size_solo_268435456")[0] - median_us("size_solo_67108864")[0]
    assert cluster.rate("egress_bytes_per_s") == pytest.approx(192 * 2**20 / time_us * 1e6, rel=5e-4)
    assert cluster.rate("ingress_bytes_per_s") == cluster.rate("pair_bytes_per_s") == cluster.rate("egress_bytes_per_s")


def test_the_fixed_part_is_what_small_copies_take_beyond_their_bytes(cluster: Cluster) -> None:
    # 4 KiB: 8.5 − 0.0; 64 KiB: 9.5 − 0.2; 256 KiB: 9.3 − 0.7 µs; the median is 8.64 µs.
    sizes = (4096, 65536, 262144)
    rate = cluster.rate("egress_bytes_per_s")
    rest = [median_us(f"size_solo_{size}")[0] * 1e-6 - size / rate for size in sizes]
    assert cluster.number("peer_fixed_s") == pytest.approx(np.median(rest), rel=2e-3)


@pytest.mark.parametrize("size", [65536, 1048576, 8388608])
def test_a_gap_is_what_a_train_of_single_copies_takes_beyond_fixed_part_and_bytes(cluster: Cluster, size: int) -> None:
    # 1 MiB: (402.0 − 8.64 − 64 · 2.647) µs ÷ 63 = 3.555 µs
    row = raw(f"loop_solo_{size}")
    count = row["copies_bytes"][0]["n"]
    rest = row["device_us"][0]["median"] * 1e-6 - cluster.number("peer_fixed_s")
    gap = (rest - count * size / cluster.rate("egress_bytes_per_s")) / (count - 1)
    assert dict(cluster.gap_table("peer_gap_s"))[size] == pytest.approx(gap, rel=2e-3)


def test_the_both_ways_factor_is_the_one_short_row_with_both_ranks_pulling(cluster: Cluster) -> None:
    # 64 MiB in (186.35 − 8.64) µs is 377.6 GB/s, 0.953 of the rate alone.
    time_s = np.mean(median_us("batch_both_8388608")) * 1e-6 - cluster.number("peer_fixed_s")
    factor = 64 * 2**20 / time_s / cluster.rate("egress_bytes_per_s")
    assert cluster.by_kind("both_ways_egress")["pull"] == pytest.approx(factor, rel=5e-4)
    assert cluster.by_kind("both_ways_ingress")["pull"] == cluster.by_kind("both_ways_egress")["pull"]


def test_host_costs_are_two_rows_and_two_unknowns(cluster: Cluster) -> None:
    # A batch costs a + n·b of host time. Eight slices: 50 µs. 118 slices: what the ungated run took beyond the device's
    # part, 765.8 µs − (8.64 + 238.9 MB ÷ 377.6 GB/s = 632.6) µs = 124.5 µs. So b = 0.68 µs, a = 44.5 µs; single calls:
    # (249.9 + 33.6) µs over 72 calls = 3.9 µs.
    row = raw("v3lite36_batched_both_2M_nogate")
    slices = sum(part["n"] for part in row["copies_bytes"])
    total = sum((part["n"] - 1) * part["each"] + part["last"] for part in row["copies_bytes"])
    rate = cluster.rate("egress_bytes_per_s") * cluster.by_kind("both_ways_egress")["pull"]
    device_us = (cluster.number("peer_fixed_s") + total / rate) * 1e6
    long_us = np.mean([time["median"] for time in row["device_us"]]) - device_us
    short_us = np.mean(raw("batch_both_8388608")["host_us"])
    per_slice_us = (long_us - short_us) / (slices - 8)
    assert cluster.number("issue_slice_s") * 1e6 == pytest.approx(per_slice_us, rel=0.01)
    assert cluster.number("issue_batch_s") * 1e6 == pytest.approx(short_us - 8 * per_slice_us, rel=0.01)
    singles_us = raw("loop_solo_1048576")["host_us"][0] + raw("loop_solo_8388608")["host_us"][0]
    assert cluster.number("issue_async_s") * 1e6 == pytest.approx(singles_us / 72, rel=0.01)


def errors(cluster: Cluster, rows: list[RecordedRow]) -> dict[tuple[str, int], float]:
    """predicted ÷ measured − 1, one a rank."""
    found = {}
    for row in rows:
        constants = constants_for(cluster, row.program, FabricOptions())
        predicted = simulate(row.program, constants).stream_elapsed_s
        for rank, measured in enumerate(row.median_s):
            found[row.case, rank] = predicted[rank] / measured - 1
    return found


def test_every_row_that_was_not_fitted_is_within_four_percent_and_half_of_them_within_one(cluster: Cluster) -> None:
    rows = [row for row in read_recording(str(ROWS)).rows if not row.case.startswith(FITTED)]
    assert len(rows) == 9
    found = errors(cluster, rows)
    assert np.median(np.abs(list(found.values()))) <= 0.01, found
    assert max(abs(error) for error in found.values()) <= 0.04, found


def test_rows_with_host_time_are_within_twelve_percent(cluster: Cluster) -> None:
    rows = [row for row in read_recording(str(ROWS)).rows if not row.queued]
    assert {row.case for row in rows} == {"v3lite36_default_both_nogate", "v3lite36_batched_both_2M_nogate"}
    assert max(abs(error) for error in errors(cluster, rows).values()) <= 0.12


def test_leaving_out_the_gaps_would_be_noticed(cluster: Cluster) -> None:
    """The check has teeth: without gaps the trains of single copies are off by a third or more."""
    constants = dict(cluster.constants)
    old = constants["peer_gap_s"]
    constants["peer_gap_s"] = type(old)([[1, 0.0]], old.unit, old.provenance, old.source)
    gapless = Cluster(cluster.name, "", cluster.num_gpus, cluster.mapping, cluster.home, constants)
    rows = [row for row in read_recording(str(ROWS)).rows if row.case == "loop_both_1048576"]
    assert max(errors(gapless, rows).values()) < -0.3
