"""What bubbles are divided into."""

from __future__ import annotations

import numpy as np
import pytest

from docs.explorer.causes import CAUSES, bubbles_by_cause
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.windows import constant_windows
from tests.dwdp_sim.programs import constants, program, queue, single


def test_a_bubble_of_a_prefetch_without_others_is_there_with_nothing_but_the_bytes() -> None:
    # 5 s of bytes behind 2 s of compute, at 100 B/s.
    of = program(queue(0, single(1, 0, 500)))
    timeline = simulate_steps(of, constant_windows(2.0, 1.0, (1, 1, 1)), constants(of))
    assert dict(zip(CAUSES, bubbles_by_cause(timeline)[0, 0, 0], strict=True)) == pytest.approx(
        {"contention": 0.0, "gap": 0.0, "host": 0.0, "transfer": 3.0}
    )


def test_contention_counts_before_the_bytes_and_in_later_layers_as_well() -> None:
    # Two readers of GPU 2 take 10 s a layer instead of 5, behind 6 s of compute: all of a bubble is contention.
    of = program(queue(0, single(2, 0, 500)), queue(1, single(2, 1, 500)))
    timeline = simulate_steps(of, constant_windows(6.0, 0.9, (2, 1, 4)), constants(of))
    found = bubbles_by_cause(timeline)
    assert timeline.bubble_s.sum() > 0.0
    assert found[..., CAUSES.index("contention")] == pytest.approx(timeline.bubble_s)


def test_the_causes_of_every_bubble_come_to_the_bubble() -> None:
    of = program(
        queue(0, single(2, 0, 500), single(1, 0, 100), queued=False),
        queue(1, single(2, 1, 300), queued=False),
        queue(2, single(1, 2, 300), queued=False),
    )
    timeline = simulate_steps(of, constant_windows(3.0, 0.4, (3, 2, 5)), constants(of, issue_async_s=0.3))
    found = bubbles_by_cause(timeline)
    assert (found >= 0.0).all()
    assert np.abs(found.sum(axis=-1) - timeline.bubble_s).max() < 1e-9
    assert found[..., CAUSES.index("host")].sum() > 0.0
