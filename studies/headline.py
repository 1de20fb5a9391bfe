"""The README's two pictures and their figures: one layer of DeepSeek-R1, default copies and contention_opt.

Run: python studies/headline.py; writes docs/images/default.png, docs/images/batched.png and docs/data/headline.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.job.build import build_layer_job
from dwdp_sim.job.job import LayerJob
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.results.figure import draw_timeline
from dwdp_sim.results.job_files import job_picture
from dwdp_sim.results.predict import predict
from dwdp_sim.results.summary import LayerSummary

DOCS = Path(__file__).resolve().parents[1] / "docs"
STRATEGIES = ("default", "batched")


def job(strategy: str, **values: Any) -> LayerJob:
    """What `make predict` runs."""
    return build_layer_job(resolve(preset(values, strategy=strategy)))


def main() -> None:
    """Predict, draw and write."""
    found: dict[str, dict[str, Any]] = {}
    for strategy in STRATEGIES:
        built = job(strategy)
        timeline, summary = predict(built)
        path = DOCS / f"images/{strategy}.png"
        picture = job_picture(built)
        write_whole(path, lambda at, t=timeline, picture=picture: draw_timeline(at, t, picture, t.links))
        assert isinstance(summary, LayerSummary)
        assert summary.range_s is not None
        found[strategy] = {
            "mean_s": summary.prefetch_latency_s.mean,
            "draw_spread": summary.basis.draw_spread,
            "range_s": summary.range_s.mean,
            "lower_bound_s": summary.basis.lower_bound_s,
        }
    one = {"cluster.constants.in_flight_sources.value": 1}
    for start in ("lockstep", "random"):
        _, summary = predict(job("batched", **{**one, "workload.start": start}), with_range=False)
        assert isinstance(summary, LayerSummary)
        found[f"one source, {start}"] = {"mean_s": summary.prefetch_latency_s.mean}
    text = json_rows(found, levels=1)
    write_whole(DOCS / "data/headline.json", lambda at: at.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
