"""Forward steps with real kernels and what is said of them beforehand (`studies/pipelines.py`)."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_hw.kernels.expected import expected_layer
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.silicon.tables import BACKENDS
from dwdp_sim.steps.requests import Chunk
from dwdp_sim.steps.windows import constant_windows

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "studies"))
import pipelines  # noqa: E402
from pipelines import alone_s, cases, compute_of, prefetches, step_s, table_windows  # noqa: E402

HOST = next(case for case in cases() if case.home == "host")
LINK = read_cluster(pipelines.LINK)


def test_every_case_has_its_prefetch_alone_and_a_name_of_its_own() -> None:
    found = list(cases())
    assert len({case.name for case in found}) == len(found)
    for case in found:
        model = compute_of(case).model
        alone = prefetches()[model.name, case.home, str(case.labels["strategy"])]
        assert alone.plan.bytes_per_rank()[0] == case.plan.bytes_per_rank()[0] > 0
        assert (alone.measure, alone.layers) == ("layer", case.layers)


def test_what_is_expected_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "CASES", pipelines.CASES[:2])
    for name in ("first.json", "again.json"):
        pipelines.expect("H200", tmp_path / name)
    first, again = (tmp_path / name for name in ("first.json", "again.json"))
    assert first.read_bytes() == again.read_bytes()
    content = json.loads(first.read_text(encoding="utf-8"))
    assert [row["case"] for row in content["rows"]] == [case.name for case in cases()]
    for row in content["rows"]:
        assert all(row[backend]["step_us"] > row[backend]["moe_us"] > 0 for backend in BACKENDS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_windows_from_the_tables_are_sums_of_the_layer_s_operations(backend: str) -> None:
    compute = compute_of(HOST)
    expected = expected_layer(compute.model, "H200", tuple(map(Chunk, compute.lengths_of(0))))[backend]
    windows = table_windows(HOST, "H200", backend)
    assert windows.before_s.shape == (1, 1, HOST.layers)
    assert windows.before_s == pytest.approx(expected.before_s)
    assert windows.moe_s == pytest.approx(expected.moe_s)


@pytest.mark.parametrize(("ratio", "share"), [(0.3, 0.2), (0.7, 0.5), (1.5, 0.2), (3.0, 0.6)])
def test_a_step_takes_its_copies_and_the_last_experts_or_the_first_copy_and_its_windows(
    ratio: float, share: float
) -> None:
    """With two slots: below one prefetch windows hide behind copies, above it copies but the first behind windows."""
    copy_s = alone_s(replace(HOST, measure="layer", pipeline=None), LINK)
    window_s = ratio * copy_s
    before_s, moe_s = share * window_s, (1 - share) * window_s
    copies_decide = HOST.layers * copy_s + moe_s
    windows_decide = max(before_s, copy_s) + moe_s + (HOST.layers - 1) * window_s
    step = step_s(HOST, constant_windows(window_s, share, (1, 1, HOST.layers)), LINK)
    assert step == pytest.approx(copies_decide if ratio < 1 else windows_decide, rel=5e-3)
