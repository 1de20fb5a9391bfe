"""A cluster whose links are faster or slower than described."""

from __future__ import annotations

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.cluster import LINK_RATES
from dwdp_sim.job.presets import read_cluster
from tests.dwdp_sim.composing import job

NAMES = ("gb200_nvl72", "h200_x2", "h100_x1_host")


@pytest.mark.parametrize("name", NAMES)
def test_rates_of_links_and_their_intervals_change_and_nothing_else_does(name: str) -> None:
    old, new = read_cluster(name), read_cluster(name).with_link_rate(0.5)
    assert new.name == f"{name} with links × 0.5"
    changed = {constant for constant in old.constants if old.constants[constant] != new.constants[constant]}
    assert changed == LINK_RATES & set(old.constants)
    for constant in changed:
        before, after = old.constants[constant], new.constants[constant]
        assert after.provenance == "assumed"
        assert after.source == f"0.5 × ({before.provenance}) {before.source}"
        assert str(after.value) == str(halved(before.value))
        assert str(after.interval) == str(halved(before.interval))


def halved(value: object) -> object:
    if isinstance(value, dict):
        return {key: halved(each) for key, each in value.items()}
    if isinstance(value, list):
        return [halved(each) for each in value]
    return value if value is None else value * 0.5  # type: ignore[operator]


def test_links_as_described_leave_the_cluster_as_it_is() -> None:
    assert job("cluster.link_rate=1").cluster == job().cluster == read_cluster("gb200_nvl72").with_link_rate(1.0)


@pytest.mark.parametrize("share", [0.0, -1.0, 10.5, float("nan")])
def test_a_share_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=r"^cluster\.link_rate=.*: a share above 0 and at most 10"):
        read_cluster("gb200_nvl72").with_link_rate(share)
