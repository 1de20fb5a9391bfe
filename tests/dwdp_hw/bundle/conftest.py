"""Small bundles whose files a test changes before they are made."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dwdp_hw.bundle import make as making
from dwdp_hw.bundle import opened
from dwdp_hw.bundle.make import Sources, make_bundle
from dwdp_sim.api.presets import load_cluster
from dwdp_sim.fabric.cluster import Cluster
from tests.dwdp_hw.bundle.recorded import CLUSTER, MEASUREMENTS


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Make a bundle of a few rows, after `change` has changed what the files say."""
    for module in (making, opened):
        monkeypatch.setattr(module, "load_cluster", _load_cluster)

    def make(change: Callable[[dict[str, Any], dict[str, Any]], object] = lambda rows, cluster: None) -> bytes:
        rows, cluster = copy.deepcopy(_contents())
        change(rows, cluster)
        (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
        (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(cluster, sort_keys=False), encoding="utf-8")
        return make_bundle(Sources((str(tmp_path / "rows.json"),), str(tmp_path / "cluster.yaml")))

    return make


@functools.cache
def _contents() -> tuple[dict[str, Any], dict[str, Any]]:
    """What the files say before they are changed."""
    rows = json.loads((MEASUREMENTS / "h200_x2_validation_1.json").read_text(encoding="utf-8"))
    rows["rows"] = [row for row in rows["rows"] if row["strategy"] == "default"][:3]
    return rows, yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))


_clusters: dict[bytes, Cluster] = {}  # by what their files say


def _load_cluster(path: str | Path) -> Cluster:
    """The cluster of a file; files that say the same, as those of most small bundles do, are read once."""
    content = Path(path).read_bytes()
    if content not in _clusters:
        _clusters[content] = load_cluster(path)
    return _clusters[content]
