"""Published figures of DWDP beside the predictions of this model. No constant is fitted to any of them.

Four choices were made knowing some of them, which docs/iteration.md names: formats, ranks, and what copies take away.

Of the two sources three things are not predicted: the time to the first token, which depends on queues; the iteration
in which the pulled experts are copied once more; and the figures that the model takes as its inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from dwdp_sim.published.assumptions import ACTIVATIONS, all_assumptions
from dwdp_sim.published.breakdown import dep_breakdown_rows, dwdp_breakdown_rows, waiting_row
from dwdp_sim.published.cases import BREAKDOWN
from dwdp_sim.published.gains import gain_cases, gain_rows, peer_copy_row, sglang_cases, sglang_rows
from dwdp_sim.published.roofline import roofline_rows
from dwdp_sim.published.row import PublishedRow
from dwdp_sim.published.trials import simulate


def published_rows(pool: Executor | None, done: Callable[[int, int], None] = lambda n, of: None) -> list[PublishedRow]:
    """Every published figure with its prediction.

    Args:
        pool: Where replications run; None for here.
        done: Called with the number of runs done, and of all.
    """
    r1, gpt_oss = (case.model for case in (BREAKDOWN, sglang_cases()[0]))
    assumptions = {r1: all_assumptions(), gpt_oss: (ACTIVATIONS, *all_assumptions())}
    trials = simulate([*gain_cases(), *sglang_cases()], assumptions, pool, done)
    return [
        *fast_rows(),
        *dwdp_breakdown_rows(trials),
        peer_copy_row(trials),
        *gain_rows(trials),
        *sglang_rows(trials),
    ]


def fast_rows() -> list[PublishedRow]:
    """The figures that need no simulation."""
    return [*roofline_rows(), *dep_breakdown_rows(), waiting_row()]
