"""Machines apart from runs: the spread between simulated machines is found again, and pooled constants name bundles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from dwdp_hw.bundle.make import Sources, make_bundle
from dwdp_hw.bundle.opened import Bundle, open_bundle
from dwdp_hw.bundle.pool import machine_spreads, machines_section, pool_bundles
from dwdp_hw.calibration.calibrate import write_cluster
from dwdp_hw.calibration.fit import Estimate
from dwdp_hw.calibration.parameters import Parameter
from dwdp_sim.api.presets import load_cluster
from dwdp_sim.base.errors import ConfigError
from tests.dwdp_hw.bundle.recorded import CLUSTER, MEASUREMENTS

RATE = Parameter("peer rate", ("pair_bytes_per_s",), None, 1.0)


def estimates(values: list[float], sigma: float) -> dict[str, list[Estimate]]:
    half = 1.959964 * sigma
    return {str(number): [Estimate(RATE, value, value - half, value + half)] for number, value in enumerate(values)}


def test_machines_that_differ_by_their_own_noise_alone_do_not_differ() -> None:
    draw = np.random.default_rng(1)
    between = [
        machine_spreads(estimates((1 + 0.02 * draw.standard_normal(8)).tolist(), 0.02))[0].between for _ in range(200)
    ]
    assert np.median([one or 0.0 for one in between]) < 0.01


@pytest.mark.parametrize("sigma", [0.001, 0.02])
def test_the_spread_between_machines_is_found_again_whatever_that_of_runs(sigma: float) -> None:
    """The method of moments is unbiased in the variance: planted 3 %, mean over repeats."""
    draw, planted = np.random.default_rng(2), 0.03
    found = []
    for _ in range(400):
        machines = 1 + planted * draw.standard_normal(10)
        (spread,) = machine_spreads(estimates((machines + sigma * draw.standard_normal(10)).tolist(), sigma))
        assert spread.within == pytest.approx(sigma, rel=0.1)
        found.append((spread.between or 0.0) ** 2)
    assert np.sqrt(np.mean(found)) == pytest.approx(planted, rel=0.1)


def test_one_machine_says_nothing_of_others() -> None:
    (spread,) = machine_spreads(estimates([1.0], 0.01))
    assert (spread.between, spread.mean) == (None, 1.0)
    assert machines_section([spread]).rows[0][3] == "–"


def test_a_machine_whose_rows_do_not_identify_a_constant_is_left_out() -> None:
    found = machine_spreads(estimates([1.0, 2.0], 0.01) | {"blind": []})
    assert list(found[0].values) == ["0", "1"]
    assert machines_section(found).header[-2:] == ["0", "1"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """A bundle for each of two nodes; that the constants are of both together does not matter here."""
    folder = tmp_path_factory.mktemp("bundles")
    found = []
    for number in (1, 2):
        rows = MEASUREMENTS / f"h200_x2_calibration_{number}.json"
        cluster = yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))
        cluster["fitted_on"] = [one for one in cluster["fitted_on"] if one["file"] == rows.name]
        (folder / "cluster.yaml").write_text(yaml.safe_dump(cluster, sort_keys=False), encoding="utf-8")
        path = folder / f"{number}.zip"
        path.write_bytes(make_bundle(Sources((str(rows),), str(folder / "cluster.yaml"))))
        found.append(open_bundle(str(path)))
    return found


@pytest.mark.long
def test_pooled_constants_name_the_bundles_that_they_come_from(bundles: list[Bundle], tmp_path: Path) -> None:
    found, spreads = pool_bundles(bundles, load_cluster("h200_x2"), name="pooled")
    pooled = load_cluster(write_cluster(tmp_path / "pooled.yaml", found))
    assert pooled.bundles == tuple(bundle.sha256 for bundle in bundles)
    shipped = load_cluster("h200_x2")  # fitted to the same rows
    assert pooled.rate("pair_bytes_per_s") == pytest.approx(shipped.rate("pair_bytes_per_s"), rel=1e-3)
    by_name = {spread.name: spread for spread in spreads}
    rate, cost = by_name["peer rate"], by_name["issue_slice_s"]
    assert rate.within < 0.01
    assert (rate.between or 0.0) < 0.01
    assert len(rate.values) == 2
    assert cost.within > 0.1  # one of the two nodes met shared cores


def test_a_bundle_counts_once_and_must_have_calibration_rows(bundles: list[Bundle], tmp_path: Path) -> None:
    start = load_cluster("h200_x2")
    with pytest.raises(ConfigError, match="the same bundle is listed twice"):
        pool_bundles([bundles[0], bundles[0]], start, name="x")
    rows = MEASUREMENTS / "h200_x2_validation_1.json"
    (tmp_path / "v.zip").write_bytes(make_bundle(Sources((str(rows),), str(CLUSTER))))
    with pytest.raises(ConfigError, match="has no calibration rows to fit"):
        pool_bundles([bundles[0], open_bundle(str(tmp_path / "v.zip"))], start, name="x")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"bundle": "mine.zip"}, r"bundle=mine\.zip: a SHA-256 of 64 hex digits is wanted"),
        ({"sha256": "0" * 63}, r"sha256=0{63}: a SHA-256"),
        ({"use": "some"}, "use=some: allowed: all, design, steps"),
    ],
)
def test_a_cluster_that_names_its_rows_by_something_else_is_refused(
    entry: dict[str, str], said: str, tmp_path: Path
) -> None:
    cluster = yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))
    cluster["fitted_on"][1] |= entry
    (tmp_path / "cluster.yaml").write_text(json.dumps(cluster), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"cluster\.fitted_on\[1\]\.{said}"):
        load_cluster(tmp_path / "cluster.yaml")


@pytest.mark.parametrize("name", ["sha256", "use"])
def test_a_cluster_that_does_not_say_which_rows_or_how_is_refused(name: str, tmp_path: Path) -> None:
    cluster = yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))
    del cluster["fitted_on"][0][name]
    (tmp_path / "cluster.yaml").write_text(json.dumps(cluster), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"cluster\.fitted_on\[0\]\.{name}=missing: "):
        load_cluster(tmp_path / "cluster.yaml")
