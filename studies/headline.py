"""The README's two pictures and their figures: one layer of DeepSeek-R1, default copies and contention_opt.

Run: python studies/headline.py; writes docs/images/default.png, docs/images/batched.png and docs/data/headline.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dwdp_sim.build import Job, build_config
from dwdp_sim.files import write_whole
from dwdp_sim.json_rows import json_rows
from dwdp_sim.plot import draw_timeline
from dwdp_sim.predict import predict
from dwdp_sim.presets import preset

DOCS = Path(__file__).resolve().parents[1] / "docs"
STRATEGIES = ("default", "batched")


def job(strategy: str, **values: Any) -> Job:
    """What `make predict` runs."""
    return build_config(preset(values, strategy=strategy), [])


def main() -> None:
    """Predict, draw and write."""
    found: dict[str, dict[str, Any]] = {}
    for strategy in STRATEGIES:
        built = job(strategy)
        timeline, summary = predict(built)
        path = DOCS / f"images/{strategy}.png"
        write_whole(path, lambda at, built=built, timeline=timeline: draw_timeline(at, built, timeline))
        found[strategy] = {
            "mean_s": summary["prefetch_latency_s"]["mean"],
            "draw_spread": summary["draw_spread"],
            "range_s": summary["range_s"]["mean"],
            "lower_bound_s": summary["lower_bound_s"],
        }
    one = {"cluster.constants.in_flight_sources.value": 1, "workload.range": False}
    for start in ("lockstep", "random"):
        _, summary = predict(job("batched", **{**one, "workload.start": start}))
        found[f"one source, {start}"] = {"mean_s": summary["prefetch_latency_s"]["mean"]}
    text = json_rows(found, levels=1)
    write_whole(DOCS / "data/headline.json", lambda at: at.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
