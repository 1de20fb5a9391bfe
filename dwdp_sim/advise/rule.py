"""The advice in one line: when `contention_opt` pays, and when it costs, without running a search.

Found on simulated forward steps of six models on three machines with two to eight ranks, and tested on others
(docs/advice.md, docs/data/contention_rule.jsonl); nobody has measured it on three GPUs or more.
"""

from __future__ import annotations

RULE = (
    "contention_opt pays where three ranks or more read two sources or more at once and a layer's compute window is "
    "shorter than (1 + N/4) × its uncontended prefetch; elsewhere it makes no difference, but costs where the host "
    "cannot run a step ahead."
)


def pays_below(ranks: int) -> float:
    """The ratio of a MoE layer's compute window to its uncontended prefetch below which batched copies pay; 0: never.

    Args:
        ranks: N. Two ranks do not share a source.
    """
    return 1.0 + ranks / 4.0 if ranks >= 3 else 0.0


def pays(window_ratio: float, ranks: int, in_flight_sources: int) -> bool:
    """Whether batched copies should gain one percent or more over the default ones.

    Args:
        window_ratio: A MoE layer's compute window ÷ its uncontended prefetch.
        ranks: N.
        in_flight_sources: Sources that a batch reads at once.
    """
    return in_flight_sources >= 2 and window_ratio < pays_below(ranks)


def take_batched(window_ratio: float, ranks: int, in_flight_sources: int, runs_ahead: bool) -> bool:
    """Whether batched copies are no worse than the default ones.

    Args:
        window_ratio: A MoE layer's compute window ÷ its uncontended prefetch.
        ranks: N.
        in_flight_sources: Sources that a batch reads at once.
        runs_ahead: Whether the host's time is hidden, or the host may begin a step before the last one has ended.
    """
    return runs_ahead or pays(window_ratio, ranks, in_flight_sources)
