"""The picture says what it shows."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.results.figure import Picture, draw_timeline, timeline_figure
from dwdp_sim.results.job_files import job_picture
from tests.dwdp_sim.composing import job

LITE = "model=deepseek_v3_lite_nvfp4"


def run(*overrides: str) -> tuple[SimulatedTimeline, Picture]:
    built = job(*overrides)
    return simulate(built.drawn(0), built.constants, built.options), job_picture(built)


def replay(folder: Path, *streams: dict[str, Any]) -> tuple[SimulatedTimeline, Picture]:
    path = folder / "program.json"
    path.write_text(json.dumps({"streams": streams}))
    return run("workload=replay", f"workload.file={path}")


def copy(src: int, dst: int) -> dict[str, Any]:
    return {"issue": "async", "src": f"gpu{src}", "dst": f"gpu{dst}", "bytes": 2**20, "count": 3}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_legend_names_every_end_of_a_copy_that_is_drawn_and_no_other(tmp_path: Path) -> None:
    assert legend(timeline_figure(*run("cluster=h100_x1_host", LITE))) == ["bytes from", "host"]
    assert legend(timeline_figure(*run("strategy=default", LITE, "dwdp.dwdp_size=2"))) == [
        "bytes from",
        "GPU 0",
        "GPU 1",
    ]
    pulled = replay(tmp_path, {"gpu": 2, "calls": [copy(5, 2)]})
    assert legend(timeline_figure(*pulled)) == ["bytes from", "GPU 5"]
    pushed = replay(tmp_path, {"gpu": 2, "calls": [copy(2, 5)]})
    assert legend(timeline_figure(*pushed)) == ["bytes from", "GPU 2", "GPU 5", "hatched: pushed to it"]


def test_pushes_are_hatched_and_pulls_are_not(tmp_path: Path) -> None:
    figure = timeline_figure(*replay(tmp_path, {"gpu": 0, "calls": [copy(1, 0), copy(0, 2)]}))
    lane = [patch for patch in figure.axes[0].get_children() if isinstance(patch, StepPatch)]
    assert [patch.get_hatch() for patch in lane] == [None, "////"]


@pytest.mark.parametrize("size", [2, 8, 18])
def test_nothing_written_lies_on_a_lane(size: int) -> None:
    figure = timeline_figure(*run("strategy=default", LITE, f"dwdp.dwdp_size={size}"))
    figure.draw_without_rendering()
    title = figure._suptitle
    assert title is not None
    for words in (title, figure.legends[0]):
        box = words.get_window_extent()
        assert not [axis for axis in figure.axes if axis.get_window_extent().overlaps(box)]


def test_every_lane_ends_where_its_last_copy_does_and_holds_its_bytes() -> None:
    timeline, picture = run(
        "strategy=default", LITE, "workload.start=offsets", "workload.offsets_s=[1e-3,2e-3,3e-3,1e-3]"
    )
    figure = timeline_figure(timeline, picture)
    for rank, axis in enumerate(figure.axes[:4]):
        steps = [patch.get_data() for patch in axis.get_children() if isinstance(patch, StepPatch)]
        own = timeline.program.copy_dst == rank
        assert steps[-1].edges[-1] == pytest.approx((timeline.copy_end_s[own].max() - 1e-3) * 1e3, rel=1e-12)
        moved = sum(((step.values - step.baseline) * np.diff(step.edges)).sum() for step in steps)  # GB/s × ms: MB
        assert moved == pytest.approx(timeline.program.copy_bytes[own].sum() / 1e6, rel=1e-9)


def test_sources_that_send_alike_have_rows_of_their_own() -> None:
    figure = timeline_figure(*run("strategy=batched", LITE))
    rows = [patch.get_data() for patch in figure.axes[-1].get_children() if isinstance(patch, StepPatch)]
    spans = sorted((float(np.min(row.baseline)), float(row.values.max())) for row in rows)
    assert len(spans) == 4
    assert all(top < base for (_, top), (base, _) in pairwise(spans))


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    draw_timeline(tmp_path / "timeline.png", *run("strategy=default", LITE, "model.name='$x^ 模型 [b]'"))
    assert (tmp_path / "timeline.png").stat().st_size > 0


def test_a_png_is_what_matplotlib_saves(tmp_path: Path) -> None:
    timeline, picture = run("strategy=default", LITE)
    draw_timeline(tmp_path / "drawn.png", timeline, picture)
    figure = timeline_figure(timeline, picture)
    figure.savefig(tmp_path / "saved.png", dpi=150, metadata={"Software": None})
    assert (tmp_path / "drawn.png").read_bytes() == (tmp_path / "saved.png").read_bytes()
