"""A simulated machine, what is known of it, and its rows."""

from __future__ import annotations

import pytest

from dwdp_sim.build import read_cluster
from dwdp_sim.cluster import Cluster
from dwdp_sim.recorded import Recording
from tests.dwdp_hw.check.simulated_machine import changed, rates, record


@pytest.fixture(scope="module")
def base() -> Cluster:
    return changed(read_cluster("h200_x2"), both_ways_gap_factor=1.0)


@pytest.fixture(scope="module")
def machine(base: Cluster) -> Cluster:
    """Another machine: every constant that rows can tell differs."""
    loss = {"pull": 0.9, "push": 0.989}
    return changed(
        base, **rates(500e9), peer_fixed_s=7e-6, peer_gap_s=[[65536, 2e-6], [1048576, 3e-6], [8388608, 5e-6]],
        both_ways_egress=loss, both_ways_ingress=loss, issue_batch_s=2e-5, issue_slice_s=9e-7,
    )  # fmt: skip


@pytest.fixture(scope="module")
def recording(machine: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(tmp_path_factory.mktemp("rows") / "rows.json", machine)
