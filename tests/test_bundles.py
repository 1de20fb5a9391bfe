"""Bundles that machines' owners have added: every claim holds, and clusters name only bundles that are there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from dwdp_hw.bundle.check import FAILS, check_bundle
from dwdp_hw.bundle.opened import open_bundle
from dwdp_hw.calibration.calibrate import fitted_rows
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.validate import validate
from dwdp_hw.validation.verdict import AGREES
from dwdp_sim.api.presets import load_cluster, presets
from dwdp_sim.fabric.constant import Constant, interval_of
from dwdp_sim.fabric.options import FabricOptions

pytestmark = pytest.mark.usefixtures("loaded_engine")
BUNDLES = sorted((Path(__file__).resolve().parents[1] / "measurements" / "bundles").glob("*.zip"))


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_what_a_bundle_claims_holds(path: Path) -> None:
    claims, _ = check_bundle(open_bundle(str(path)))
    assert [claim for claim in claims if claim.state == FAILS] == []


@pytest.mark.parametrize(
    "path", [path for path in BUNDLES if path.stem.startswith("h200_x1")], ids=lambda path: path.stem
)
def test_the_shipped_cluster_of_a_host_link_predicts_the_validation_of_each_of_its_machines(path: Path) -> None:
    cluster, bundle = load_cluster("h200_x1_host"), open_bundle(str(path))
    recordings = [recording for recording in bundle.recordings if recording not in bundle.fitted]
    found = validate(recordings, cluster, FabricOptions(), fitted_rows(recordings, cluster), Bars())
    assert {row.counts for row in found.rows if row.stable} == {True}
    assert found.verdict == AGREES


def test_every_value_that_has_an_interval_lies_in_it_so_that_no_range_is_lost() -> None:
    clusters = [load_cluster(name) for name in presets("cluster")]
    clusters += [open_bundle(str(path)).cluster for path in BUNDLES]
    intervals = {
        (place, name, part): interval_of(value, interval)
        for place, cluster in enumerate(clusters)
        for name, constant in cluster.constants.items()
        for part, value, interval in _parts(constant)
    }
    assert len(intervals) > 200
    assert [key for key, ends in intervals.items() if ends is None] == []


def _parts(constant: Constant) -> list[tuple[object, object, object]]:
    """The key, value and interval of each part of a constant that has an interval."""
    if not isinstance(constant.interval, Mapping):
        return [] if constant.interval is None else [("", constant.value, constant.interval)]
    values = dict(constant.value)  # of a table or mapping
    return [(part, values[part], ends) for part, ends in constant.interval.items()]


def test_clusters_name_only_bundles_that_are_there() -> None:
    there = {hashlib.sha256(path.read_bytes()).hexdigest() for path in BUNDLES}
    named = {sha256 for name in presets("cluster") for sha256 in load_cluster(name).bundles}
    assert named <= there
