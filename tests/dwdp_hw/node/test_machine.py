"""Every GPU that a cluster ships for is known by the names that drivers give it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwdp_hw.node.machine import machine_of
from dwdp_hw.node.parts import CALIBRATE, FITTED, INCAST, NAMES, WITH_PEERS, Part, parts_of
from dwdp_hw.node.peers import write_peers
from dwdp_hw.rows.host_costs import HOST_COSTS
from dwdp_sim.api.presets import load_cluster
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.config_files import config_dir


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA GB200", "GB200"),
        ("NVIDIA B300 SXM6 AC", "B300"),
        ("NVIDIA GB300", "GB300"),
    ],
)
def test_a_gpu_is_known_by_its_drivers_name(name: str, kind: str) -> None:
    machine = machine_of(8, name)
    assert machine.kind == kind
    assert load_cluster(machine.cluster).gpu == kind
    assert load_cluster(machine_of(1, name).start).home == "host"
    if kind in ("H100", "H200"):
        assert load_cluster(machine_of(1, name).start).gpu == kind


def test_an_unknown_gpu_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^GPU=NVIDIA A100: no cluster ships for it, only for GB300, GB200"):
        machine_of(8, "NVIDIA A100")
    assert machine_of(8, "NVIDIA A100", "hgx_h200").start == "hgx_h200"
    with pytest.raises(ConfigError, match=r"^cluster=nope: "):
        machine_of(8, "NVIDIA H200", "nope")


def names_of(parts: list[Part]) -> list[str]:
    return [part.name for part in parts]


def test_incast_comes_first_where_three_gpus_can_show_it() -> None:
    two, three = (parts_of(machine_of(gpus, "NVIDIA H200"), ["deepseek_r1_fp8"], None) for gpus in (2, 3))
    assert INCAST not in names_of(two)
    assert names_of(three).index(INCAST) < names_of(three).index(CALIBRATE)
    assert {*names_of(three)} == {*NAMES}


@pytest.mark.parametrize("gpus", [1, 2, 8])
def test_all_parts_together_end_within_eight_minutes_as_a_rule(gpus: int) -> None:
    assert sum(part.usual_s for part in parts_of(machine_of(gpus, "NVIDIA H200"), ["deepseek_r1_fp8"], None)) <= 480


def test_the_advice_is_for_the_fitted_cluster_where_peers_were_measured() -> None:
    one, two = (parts_of(machine_of(gpus, "NVIDIA H200"), ["deepseek_r1_fp8"], 4096)[-2] for gpus in (1, 2))
    assert f"cluster={FITTED}" in two.words
    assert two.peers == ""
    assert f"cluster={WITH_PEERS}" in one.words
    assert one.peers == "hgx_h200"
    assert "workload.isl=4096" in one.words


def test_with_one_gpu_the_advice_has_shipped_links_and_the_host_costs_that_were_measured(tmp_path: Path) -> None:
    fitted = Path(config_dir()) / "cluster" / "h100_x1_host.yaml"
    write_peers("dgx_h100", fitted, tmp_path / "with_peers.yaml")
    found, links, host = (
        load_cluster(str(path)) for path in (tmp_path / "with_peers.yaml", "dgx_h100", "h100_x1_host")
    )
    assert found.name == "with_peers"
    for name in HOST_COSTS:
        assert found.constants[name] == host.constants[name]
    assert found.constants["pair_bytes_per_s"] == links.constants["pair_bytes_per_s"]
    assert {*found.constants} == {*links.constants} | {*HOST_COSTS}
