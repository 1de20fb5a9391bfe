"""Build tables of forward steps for people: where each rank's time goes, and why compute waited longest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.table import Table

from dwdp_sim.steps.bubbles import Bubble
from dwdp_sim.steps.step_timeline import StepTimeline

_MOST_ROWS = 16


def ranks_table(timeline: StepTimeline, warmup: int = 0) -> Table:
    """Return a row for each rank: the mean length of its iterations and of their parts, in ms.

    Of more than 16 ranks, those with most bubbles are shown.

    Args:
        timeline: Of one seed.
        warmup: Iterations at the beginning that do not count.
    """
    iteration_s = timeline.step_end_s - timeline.step_begin_s
    bubbles_s, launch_s = timeline.bubble_s.sum(axis=2), timeline.launch_wait_s.sum(axis=2)
    parts = (iteration_s, iteration_s - bubbles_s - launch_s, bubbles_s, timeline.bubble_s[:, :, 0], launch_s)
    rows = np.stack([part[:, warmup:].mean(axis=1) for part in parts], axis=1)
    table = Table(
        title="mean iteration of each rank with the first seed, ms", title_justify="left", box=box.SIMPLE_HEAD
    )
    for heading in ("rank", "iteration", "compute", "bubbles", "of these layer 0", "launch waits", "lost"):
        table.add_column(heading, justify="right")
    worst = np.argsort(-rows[:, 2], kind="stable")[: _MOST_ROWS - 1] if len(rows) > _MOST_ROWS else range(len(rows))
    for rank in sorted(int(rank) for rank in worst):
        table.add_row(str(rank), *_rank_cells(rows[rank]))
    if len(rows) > len(worst):
        table.add_row(f"… {len(rows) - len(worst)} with fewer bubbles")
    table.add_section()
    table.add_row("mean", *_rank_cells(rows.mean(axis=0)))
    return table


def bubbles_table(bubbles: Sequence[Bubble]) -> Table:
    """Return a row for each of `bubbles` (from `bubbles.worst_bubbles`): its prefetch in ms, and its cause."""
    table = Table(title="longest waits for experts, ms", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("rank", "step", "layer", "waited", "prefetch", "transfer", "contention"):
        table.add_column(heading, justify="right")
    table.add_column("because")
    for bubble in bubbles:
        seconds = (bubble.bubble_s, bubble.latency_s, bubble.transfer_s, bubble.contention_s)
        places = (bubble.rank, bubble.step, bubble.layer)
        table.add_row(*map(str, places), *map(_ms, seconds), bubble.cause)
    if not bubbles:
        table.add_row(*["–"] * 7, "no layer waited for its experts")
    return table


def _rank_cells(seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[str]:
    iteration, compute = seconds[:2].tolist()
    return [*(_ms(value) for value in seconds.tolist()), f"{1 - compute / iteration if iteration else 0:.1%}"]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}"
