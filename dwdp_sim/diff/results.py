"""Read a sweep's results folder as a side of a comparison: the figures of its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.diff.side import Figure, Side

if TYPE_CHECKING:
    import pandas as pd

RESULTS = "results folders"
_SPREAD_BY_DRAWS = tuple(f"prefetch_latency_{name}_s" for name in ("mean", "p50", "p95", "max"))
_HALF_WIDTHS = {"step_iteration_s": "step_iteration_half_width_s", "dep_gain": "dep_gain_half_width"}


def read_results_side(path: str) -> Side | None:
    """A folder that a sweep wrote.

    A job is named by the parameters that differ inside the folder, so that the same sweep on another machine or by
    other code has jobs of the same names. The others are settings.

    Raises:
        ConfigError: A file is damaged, or two jobs differ in nothing that a column shows.
    """
    if not (Path(path) / "jobs").is_dir():
        return None
    from dwdp_sim.sweep.columns import CONFIG, PARAMETERS  # noqa: PLC0415  # pandas and DuckDB take half a second
    from dwdp_sim.sweep.query import load_results  # noqa: PLC0415

    rows = load_results(path)
    jobs = rows[(rows["status"] == "ok") & (rows["rank"].fillna(0) == 0)]
    columns = [column.name for column in PARAMETERS if column.name != CONFIG]
    varied = [name for name in columns if jobs[name].nunique(dropna=False) > 1]
    fixed = [name for name in columns if name not in varied and len(jobs) and jobs[name].notna().all()]
    labels = [_label(job, varied) for _, job in jobs.iterrows()]
    if len(set(labels)) < len(labels):
        raise ConfigError("diff", path, "two of its jobs differ in nothing that a column shows")
    figures = {
        f"{label} {name}".strip(): figure
        for label, (_, job) in zip(labels, jobs.iterrows(), strict=True)
        for name, figure in _figures(job).items()
    }
    return Side(path, RESULTS, {name: str(jobs[name].iloc[0]) for name in fixed}, figures)


def _label(job: pd.Series, varied: Sequence[str]) -> str:
    return ", ".join(f"{name}={_word(job[name])}" for name in varied)


def _word(value: object) -> str:
    """A parameter's value; whole numbers that pandas holds as fractions are whole again, and nothing is a dash."""
    if value is None or value != value:  # NaN  # noqa: PLR0124
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _figures(job: pd.Series) -> dict[str, Figure]:
    """The job's figures whose noise is known, and the bound, which has none."""
    found = {}
    share = _number(job["draw_spread"]) or 0.0
    for name in _SPREAD_BY_DRAWS:
        if (value := _number(job[name])) is not None:
            found[name] = Figure(value, "s", value * share, value * share)
    for name, half_width in _HALF_WIDTHS.items():
        if (value := _number(job[name])) is not None:
            half = _number(job[half_width]) or 0.0
            found[name] = Figure(value, "s" if name.endswith("_s") else "", half, half)
    if (bound := _number(job["lower_bound_s"])) is not None:
        found["lower_bound_s"] = Figure(bound, "s")
    return found


def _number(value: object) -> float | None:
    """A cell as a number; None where it is empty."""
    return float(value) if isinstance(value, int | float) and value == value else None  # NaN  # noqa: PLR0124
