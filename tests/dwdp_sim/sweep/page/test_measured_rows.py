"""Measured rows stand beside the jobs that predict the same copies, and beside no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.sweep.page.measured_rows import errors, match, read_measured, shipped
from dwdp_sim.sweep.page.sweep_jobs import read_jobs
from tests.dwdp_sim.sweep.page.sweeps import LAYER, write_sweep

V3_LITE_BYTES = 36 * 6_635_528  # a rank pulls 36 experts from its one peer


def row(**changes: Any) -> dict[str, Any]:
    return {
        "file": "rows.json", "case": "v3lite36", "rank": 0, "strategy": "batched", "issue_mode": "queued", "ranks": 2,
        "bytes": V3_LITE_BYTES, "slice_bytes": 2 * 2**20, "measured_s": 6e-4, "measured_min_s": 5e-4,
        "measured_max_s": 7e-4, "stable": True,
    } | changes  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]], **more: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"rows": rows, **more}))
    return path


def test_a_case_is_the_mean_of_its_ranks(tmp_path: Path) -> None:
    rows = [row(), row(rank=1, measured_s=8e-4, measured_max_s=9e-4, stable=False)]
    (case,) = read_measured([write(tmp_path / "mine" / "validation.json", rows, cluster="h200_x2").parent])
    assert (case.source, case.case, case.cluster, case.stable) == ("mine", "v3lite36", "h200_x2", False)
    assert (case.median_s, case.low_s, case.high_s) == pytest.approx((7e-4, 5e-4, 8e-4))


def test_only_equal_copies_on_the_same_cluster_match(tmp_path: Path) -> None:
    lines = [(*LAYER, f"strategy={name}", *more) for name in ("default", "batched") for more in
             (("issue_mode=queued",), ("issue_mode=as_issued",), ("strategy.slice_bytes=8MiB",))]  # fmt: skip
    jobs = read_jobs(write_sweep(tmp_path / "sweep", lines)).finished
    matching = [
        row(),
        row(case="whole", strategy="default", slice_bytes=141_557_760),
        row(case="with host", issue_mode="as_issued"),
    ]
    others = [
        row(case="other bytes", bytes=V3_LITE_BYTES + 1),
        row(case="other slices", slice_bytes=2**20),
        row(case="other ranks", ranks=3),
        row(case="other strategy", strategy="ring"),
    ]
    path = write(tmp_path / "validation.json", matching + others, cluster="h200_x2")
    pairs = {
        (one.measured.case, jobs["overrides"][one.line].split(" ", 3)[3]) for one in match(jobs, read_measured([path]))
    }
    assert pairs == {
        ("v3lite36", "strategy=batched issue_mode=queued"),
        ("with host", "strategy=batched issue_mode=as_issued"),
        ("whole", "strategy=default issue_mode=queued"),
        ("whole", "strategy=default strategy.slice_bytes=8MiB"),  # default never slices
    }
    elsewhere = write(tmp_path / "validation.json", matching, cluster="dgx_h100")
    assert match(jobs, read_measured([elsewhere])) == []
    assert len(match(jobs, read_measured([write(tmp_path / "validation.json", matching)]))) == 4  # does not say


def test_the_source_tree_s_own_rows_stand_on_shipped_clusters() -> None:
    cases = shipped()
    assert {case.cluster for case in cases} == {"h200_x2", "h100_x1_host"}
    (case,) = [c for c in cases if (c.source, c.case) == ("h200_x2_random", "v3lite36_default_queued")]
    assert (case.ranks, case.bytes, case.slice_bytes) == (2, V3_LITE_BYTES, 141_557_760)
    assert (case.median_s, case.low_s, case.high_s) == pytest.approx((669.49e-6, 664.735e-6, 673.265e-6))
    assert case.stable


def test_errors_are_of_stable_rows_and_count_equal_jobs_once(tmp_path: Path) -> None:
    lines = [(*LAYER, "strategy=default", f"strategy.slice_bytes={size}") for size in ("2MiB", "8MiB")]
    jobs = read_jobs(write_sweep(tmp_path / "sweep", lines)).finished
    predicted = jobs["prefetch_latency_mean_s"][0]
    measured = [row(strategy="default", case=str(part), measured_s=predicted * part) for part in (0.8, 1.25)]
    unstable = row(strategy="default", case="unstable", stable=False)
    matches = match(jobs, read_measured([write(tmp_path / "validation.json", [*measured, unstable])]))
    assert len(matches) == 6
    assert sorted(errors(matches)) == pytest.approx([0.2, 0.25])  # 1 ÷ 1.25 − 1 = −0.2 and 1 ÷ 0.8 − 1 = 0.25


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nonsense", "cannot be read as JSON"),
        ("[]", "the file is a list of 0; expected `object`"),
        ('{"rows": [{}]}', r"rows\[0\] lacks the field 'case'"),
        ('{"rows": 3}', "rows is 3; expected `array`"),
        (json.dumps({"rows": [row(measured_s=0)]}), r"rows\[0\].measured_s is 0; expected `float` > 0"),
        (json.dumps({"rows": [row(case="a\nb")]}), r"rows\[0\].case is a.nb; text on one line is wanted"),
    ],
)
def test_a_file_of_another_kind_is_named(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(ConfigError, match=rf"--measured=.*other\.json: {said}"):
        read_measured([tmp_path / "other.json"])
    with pytest.raises(ConfigError, match=r"validation\.json: cannot be read as JSON: No such file"):
        read_measured([tmp_path])
