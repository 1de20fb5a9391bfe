"""Small bundles whose files a test changes before they are made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dwdp_hw.bundle.make import Sources, make_bundle
from tests.dwdp_hw.bundle.recorded import CLUSTER, MEASUREMENTS


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., bytes]:
    """Make a bundle of a few rows, after `change` has changed what the files say."""

    def make(change: Callable[[dict[str, Any], dict[str, Any]], object] = lambda rows, cluster: None) -> bytes:
        rows = json.loads((MEASUREMENTS / "h200_x2_validation_1.json").read_text(encoding="utf-8"))
        rows["rows"] = [row for row in rows["rows"] if row["strategy"] == "default"][:3]
        cluster = yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))
        change(rows, cluster)
        (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
        (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(cluster, sort_keys=False), encoding="utf-8")
        return make_bundle(Sources((str(tmp_path / "rows.json"),), str(tmp_path / "cluster.yaml")))

    return make
