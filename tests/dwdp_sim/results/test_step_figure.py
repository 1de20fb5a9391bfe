"""The picture of forward steps: what it chooses to show, and that what it draws is what happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba

from dwdp_sim.fabric.links import ALWAYS
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program import Program
from dwdp_sim.results.palette import VERMILLION
from dwdp_sim.results.rate_over_time import arrivals_over_time, most_alone
from dwdp_sim.results.step_figure import draw_steps, steps_figure
from dwdp_sim.steps.contention import split_contention
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows, constant_windows
from tests.dwdp_sim.programs import constants, links, program, queue, single

# Ranks 0 and 1 read GPU 2, 5 ms alone; GPU 2 reads GPU 0, 1 ms.
THREE = program(queue(0, single(2, 0, 5)), queue(1, single(2, 1, 5)), queue(2, single(0, 2, 1)))


def timeline_of(of: Program, windows: StepWindows, pace: Pace | None = None, sharing: str = "fair") -> StepTimeline:
    """A byte takes 1 ms, a call 2 ms."""
    options = FabricOptions(sharing=sharing)
    used = constants(of, options, issue_async_s=0.002, **links(1000.0))
    return simulate_steps(of, windows, used, options, pace, blame=True, rates_between_s=ALWAYS)


def axes_of(timeline: StepTimeline) -> list[Axes]:
    """Head, overview, and one for each zoomed rank."""
    return steps_figure(timeline, split_contention(timeline), timeline.links, "what was run").axes


def titles(axes: list[Axes]) -> list[str]:
    return [axis.get_title(loc="left") for axis in axes[:3]]


def drawn_ms(axis: Axes, colour: str, hatch: str | None = None) -> float:
    """Milliseconds covered by the lanes' rectangles of one colour and hatch."""
    boxes = [found for found in axis.collections if isinstance(found, PolyCollection) and len(found.get_paths())]
    boxes = [found for found in boxes if found.get_hatch() == hatch]
    chosen = [found for found in boxes if np.allclose(np.asarray(found.get_facecolor())[0], to_rgba(colour))]
    edges = [np.asarray(path.vertices)[:, 0] for found in chosen for path in found.get_paths()]
    return float(sum(edge.max() - edge.min() for edge in edges))


def windows(window_s: float, layers: int, ranks: int, iterations: int = 1, before: float = 0.5) -> StepWindows:
    return constant_windows(window_s, before, (ranks, iterations, layers))


def test_it_shows_the_longest_bubble_after_the_first_layer_and_why_compute_waited() -> None:
    # Rank 2 is long done with its 1 ms; ranks 0 and 1 share GPU 2: 10 ms a layer, 6 ms windows.
    timeline = timeline_of(THREE, windows(0.006, 3, ranks=3))
    head, overview, zoom = titles(axes_of(timeline))
    assert head == "what was run"
    step_ms = float(timeline.step_end_s[0, 0]) * 1e3
    bubbles_ms = float(timeline.bubble_s[0, 0].sum()) * 1e3
    assert overview.startswith(f"iteration 0 of rank 0: {step_ms:.4g} ms, of which {bubbles_ms:.4g} ms in bubbles")
    waited_ms = float(timeline.bubble_s[0, 0, 1:].max()) * 1e3
    assert f"waited {waited_ms:.4g} ms: " in zoom
    assert "GPU 2 was read by rank 1 as well" in zoom


def test_bubbles_are_drawn_as_long_as_they_were() -> None:
    timeline = timeline_of(THREE, windows(0.006, 3, ranks=3, iterations=2))
    assert drawn_ms(axes_of(timeline)[1], VERMILLION) == pytest.approx(timeline.bubble_s.sum() * 1e3)


def test_launch_waits_are_no_bubbles() -> None:
    # The call until 2 ms, the bytes until 3 ms, the launch until 9 ms.
    of = program(queue(0, single(1, 0, 1), queued=False))
    timeline = timeline_of(of, windows(0.001, 2, ranks=1), Pace(launch_s=0.005))
    axes = axes_of(timeline)
    assert timeline.launch_wait_s.sum() > 0.005
    assert drawn_ms(axes[1], "white", "////") == pytest.approx(timeline.launch_wait_s.sum() * 1e3)
    assert drawn_ms(axes[1], VERMILLION) == 0.0
    assert titles(axes)[2].endswith("did not wait; its prefetch was the slowest")


def test_of_more_than_eight_ranks_the_worst_are_shown_and_it_says_so() -> None:
    # Rank r reads r + 1 bytes from its own source.
    of = program(*(queue(rank, single(10 + rank, rank, rank + 1)) for rank in range(10)))
    axes = axes_of(timeline_of(of, windows(0.001, 2, ranks=10)))
    assert "the 8 of 10 ranks that wait longest" in titles(axes)[1].replace("\n", " ")
    assert [label.get_text() for label in axes[1].get_yticklabels()] == [f"rank {rank}" for rank in range(2, 10)]
    assert len(axes) == 2 + 4


def test_the_zoom_begins_with_the_rank_that_waits_and_those_that_read_its_source() -> None:
    of = program(*(queue(rank, single(6 if rank in (1, 4) else 7 + rank, rank, 5)) for rank in range(6)))
    axes = axes_of(timeline_of(of, windows(0.004, 3, ranks=6, iterations=3)))
    assert [axis.get_ylabel().split("\n")[0] for axis in axes[2:]] == ["rank 1", "rank 4", "rank 0", "rank 2"]


def test_a_bubble_among_all_ranks_is_preferred_to_a_longer_one_after_some_have_ended() -> None:
    # Rank 0 has no other reader at its source and waits for 2 ms in each layer, for 14 ms in the last one; rank 1 ends
    # its only step after 9 ms. Rank 0's prefetches take 5 ms, windows 3 ms.
    of = program(queue(0, single(2, 0, 5)), queue(1, single(3, 1, 1)))
    seconds = np.array([[[0.003, 0.003, 0.003, 0.0, 0.0]], [[0.001, 0.001, 0.001, 0.001, 0.008]]])
    timeline = timeline_of(of, StepWindows(np.zeros((2, 1)), seconds * 0.0, seconds, np.zeros((2, 1), dtype=np.int64)))
    assert np.argmax(timeline.bubble_s[0, 0, 1:]) > 0
    assert float(timeline.step_end_s[1, 0]) * 1e3 == pytest.approx(13.0)
    axes = axes_of(timeline)
    assert titles(axes)[2].startswith("rank 0, layer 1 waited 2 ms")
    assert "steps over" in [text.get_text() for text in axes[1].texts]


@pytest.mark.parametrize(
    ("of", "sharing"),
    [
        (program(queue(0)), "fair"),  # nothing to prefetch at all
        (program(queue(0), queue(1, single(HOST, 1, 1))), "fair"),  # a rank without prefetches
        (program(*(queue(rank, single((rank + 1) % 9, rank, 3)) for rank in range(9))), "fifo"),  # many sources
    ],
    ids=["nothing", "host", "many"],
)
def test_whatever_was_run_is_drawn(of: Program, sharing: str, tmp_path: Path) -> None:
    timeline = timeline_of(of, windows(0.001, 1, ranks=len(of.stream_gpu)), sharing=sharing)
    contention = split_contention(timeline, "in queues" if sharing == "fifo" else "")
    draw_steps(tmp_path / "steps.png", timeline, contention, timeline.links, "what was run")
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")


def test_arrivals_integrate_to_the_bytes_fetched() -> None:
    timeline = timeline_of(THREE, windows(0.006, 3, ranks=3))
    edges_s = np.linspace(0.0, float(timeline.prefetch_end_s[0].max()), 38)
    rates = arrivals_over_time(timeline.links, (0, 2), edges_s)
    assert set(rates) == {(0, 2), (2, 0)}
    assert (rates[0, 2] * np.diff(edges_s)).sum() == pytest.approx(3 * 5)
    part = np.linspace(0.0, float(timeline.prefetch_end_s[0, 0, 0]), 11)
    assert (arrivals_over_time(timeline.links, (0,), part)[0, 2] * np.diff(part)).sum() == pytest.approx(5)


def test_the_most_that_an_engine_moves_alone_is_not_lowered_by_those_it_shares_with() -> None:
    timeline = timeline_of(THREE, windows(0.006, 1, ranks=3))
    assert most_alone(timeline.links, (0,)) == pytest.approx(1000.0)
    assert most_alone(timeline.links, (3,)) == 0.0
