"""Clusters, runs and results folders as sides, from files that the project's own commands wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.diff.clusters import read_cluster_side
from dwdp_sim.diff.compare import compare
from dwdp_sim.diff.results import read_results_side
from dwdp_sim.diff.runs import read_run_side
from dwdp_sim.diff.side import Side
from dwdp_sim.job.build import build_run
from dwdp_sim.report_command import diff
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import Run, result_rows, write_rows
from tests.dwdp_sim.composing import config_object

CLUSTERS = Path(__file__).resolve().parents[3] / "conf" / "cluster"


def known(side: Side | None) -> Side:
    assert side is not None
    return side


def summary(folder: Path, **content: Any) -> Path:
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps({"schema": 1, **content}), encoding="utf-8")
    return folder


def test_a_shipped_cluster_and_its_file_are_the_same() -> None:
    name, file = known(read_cluster_side("h200_x2")), known(read_cluster_side(str(CLUSTERS / "h200_x2.yaml")))
    assert compare(name, file).moved == []
    assert name.figures == file.figures


def test_a_constant_has_the_interval_that_it_was_fitted_with() -> None:
    figures = known(read_cluster_side("h200_x2")).figures
    pair = figures["pair_bytes_per_s"]
    assert isinstance(pair.value, float)
    assert (pair.value - pair.below, pair.value + pair.above) == pytest.approx((395520e6, 399799e6))
    assert figures["peer_gap_s 2097152 B"].above == pytest.approx(3.75775e-6 - 3.68259e-6)
    assert figures["both_ways_egress pull"].below == pytest.approx(0.941444 - 0.936431)
    assert figures["both_ways_egress push"].below == 0.0
    assert figures["refill"].value == "oldest"


@pytest.mark.parametrize("interval", [7, "wide", [1], [1, 2, 3], ["a", "b"], [2, 1], [True, False], [None, None]])
def test_an_interval_that_is_none_is_refused(interval: object, tmp_path: Path) -> None:
    content = yaml.safe_load((CLUSTERS / "h200_x2.yaml").read_text(encoding="utf-8"))
    content["constants"]["peer_fixed_s"]["interval"] = interval
    (tmp_path / "mine.yaml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cluster\.constants\.peer_fixed_s\.interval="):
        read_cluster_side(str(tmp_path / "mine.yaml"))


def test_an_interval_of_another_shape_than_its_value_counts_as_none(tmp_path: Path) -> None:
    content = yaml.safe_load((CLUSTERS / "h200_x2.yaml").read_text(encoding="utf-8"))
    content["constants"]["peer_fixed_s"]["interval"] = {"pull": [1, 2]}
    (tmp_path / "mine.yaml").write_text(json.dumps(content), encoding="utf-8")
    figure = known(read_cluster_side(str(tmp_path / "mine.yaml"))).figures["peer_fixed_s"]
    assert (figure.value, figure.below, figure.above) == (1.12385e-05, 0.0, 0.0)


@pytest.mark.parametrize("table", [[1, 2], [["a", "b"]], [[2, 1e-6], [1, 1e-6]], [[1]]])
def test_a_table_that_is_none_is_refused(table: object, tmp_path: Path) -> None:
    content = yaml.safe_load((CLUSTERS / "h200_x2.yaml").read_text(encoding="utf-8"))
    content["constants"]["peer_gap_s"]["value"] = table
    (tmp_path / "mine.yaml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cluster\.constants\.peer_gap_s\.value"):
        read_cluster_side(str(tmp_path / "mine.yaml"))


def test_other_machines_constants_have_moved() -> None:
    found = compare(known(read_cluster_side("hgx_h200")), known(read_cluster_side("gb200_nvl72")))
    assert {"pair_bytes_per_s", "gpu_memory_bytes"} <= {change.name for change in found.moved}


def test_another_path_is_no_cluster(tmp_path: Path) -> None:
    assert read_cluster_side("nothing") is None
    assert read_cluster_side(str(tmp_path)) is None
    with pytest.raises(ConfigError, match=r"cluster=none\.yaml"):
        read_cluster_side("none.yaml")


def test_a_prediction_is_as_certain_as_its_draws(tmp_path: Path) -> None:
    layer = {"model": "m", "prefetch_latency_s": {"mean": 1e-2}, "ranks": [{"rank": 0, "prefetch_latency_s": 1e-2}]}
    first = summary(tmp_path / "a", **layer, draw_spread=0.1, lower_bound_s=5e-3)
    other = {**layer, "prefetch_latency_s": {"mean": 1.1e-2}}
    second = summary(tmp_path / "b", **other, draw_spread=0.1, lower_bound_s=5e-3)
    found = compare(known(read_run_side(str(first))), known(read_run_side(str(second))))
    assert found.moved == []
    assert {change.name for change in found.changes} == {
        "prefetch_latency_s mean",
        "prefetch_latency_s rank 0",
        "lower_bound_s",
    }
    sure = summary(tmp_path / "c", **other, draw_spread=None, lower_bound_s=5.1e-3)
    found = compare(known(read_run_side(str(first))), known(read_run_side(str(sure))))
    assert [change.name for change in found.moved] == ["lower_bound_s"]


def test_a_measured_rank_is_as_certain_as_its_runs_and_a_step_as_its_replications(tmp_path: Path) -> None:
    rank = {"rank": 1, "prefetch_latency_s": 1e-2, "min_s": 0.9e-2, "max_s": 1.3e-2}
    figures = {"iteration_s": {"mean": 1.0, "half_width": 0.02}, "gain": {"mean": 1.1, "half_width": None}}
    side = known(read_run_side(str(summary(tmp_path / "a", measured=True, ranks=[rank], figures=figures))))
    assert side.settings == {"measured": "True"}
    measured = side.figures["prefetch_latency_s rank 1"]
    assert (measured.below, measured.above) == pytest.approx((1e-3, 3e-3))
    assert (side.figures["iteration_s"].unit, side.figures["iteration_s"].above) == ("s", 0.02)
    assert side.figures["gain"].above == 0.0


def test_a_damaged_summary_is_refused_with_its_place(tmp_path: Path) -> None:
    folder = summary(tmp_path / "a", prefetch_latency_s={"mean": "fast"})
    with pytest.raises(ConfigError, match=r"prefetch_latency_s.*mean.* is fast|expected `float`"):
        read_run_side(str(folder))
    assert read_run_side(str(tmp_path / "none")) is None


def sweep(path: Path, *more: str, sizes: Sequence[str] = ("2MiB", "8MiB")) -> Path:
    """A results folder with a job for each slice size."""
    folder = Folder(path)
    for size in sizes:
        overrides = ("model=deepseek_v3_lite_nvfp4", "cluster=h200_x2", "dwdp.dwdp_size=2", "workload.range=false")
        overrides = (*overrides, "strategy=batched", f"strategy.slice_bytes={size}", *more)
        config = config_object(*overrides)
        name = hashlib.md5(repr(overrides).encode(), usedforsecurity=False).hexdigest()
        job = build_run(config, overrides)
        run = Run("a sweep", datetime(2026, 1, 1, tzinfo=UTC), 0.25)
        write_rows(folder.rows(name), result_rows(Asked(name, name, overrides, config), job, summarize_run(job), run))
    return path


def test_a_results_folder_names_its_jobs_by_what_differs_inside(tmp_path: Path) -> None:
    first = known(read_results_side(str(sweep(tmp_path / "one"))))
    assert {name.partition(" ")[0] for name in first.figures} == {"slice_bytes=2097152", "slice_bytes=8388608"}
    assert (first.settings["strategy"], first.settings["seed"]) == ("batched", "0")
    assert first.figures["slice_bytes=2097152 prefetch_latency_mean_s"].above > 0
    again = known(read_results_side(str(sweep(tmp_path / "again"))))
    assert compare(first, again).moved == []
    slower = "cluster.constants.pair_bytes_per_s.value=1e11"
    found = compare(first, known(read_results_side(str(sweep(tmp_path / "slower", slower)))))
    assert "slice_bytes=2097152 prefetch_latency_mean_s" in {change.name for change in found.moved}
    assert read_results_side(str(tmp_path)) is None


def test_jobs_of_a_sweep_that_no_column_tells_apart_are_refused(tmp_path: Path) -> None:
    folder = sweep(tmp_path / "one", sizes=("2MiB",))
    sweep(folder, "cluster.constants.pair_bytes_per_s.value=1e11", sizes=("2MiB",))
    with pytest.raises(ConfigError, match="two of its jobs differ in nothing that a column shows"):
        read_results_side(str(folder))


def test_the_command_counts_what_moved_and_prints_json_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff("h200_x2", "h200_x2", json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["moved"], said["kind"], said["settings"]) == (0, "clusters", [])
    assert {figure["name"] for figure in said["figures"]} >= {"pair_bytes_per_s", "refill"}
    assert diff("h200_x2", "h100_x1_host") > 0
    assert "moved beyond noise" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="diff=nothing"):
        diff("h200_x2", "nothing")
