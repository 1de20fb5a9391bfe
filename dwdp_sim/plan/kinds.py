"""The strategies that this project ships, and which of them each serving engine offers."""

from __future__ import annotations

from collections.abc import Sequence

from dwdp_sim.base.arrays import Ints
from dwdp_sim.base.errors import check_choice
from dwdp_sim.plan.copy_plan import ASYNC
from dwdp_sim.plan.engines import CONTENTION_OPT_SLICE_BYTES, IMPLEMENTATIONS
from dwdp_sim.plan.slices import Slices
from dwdp_sim.plan.strategy import Strategy, StrategyKind


def _default_order(slices: Slices, strategy: Strategy) -> Sequence[Ints]:
    return slices.columns(strategy.engine.default_keys)


def _rotated_order(slices: Slices, strategy: Strategy) -> Sequence[Ints]:
    return slices.columns(tuple("rotation" if key == "peer" else key for key in strategy.engine.default_keys))


def _batched_order(slices: Slices, strategy: Strategy) -> Sequence[Ints]:
    return slices.columns(strategy.engine.batched_keys)


def _peer_by_peer(slices: Slices, _: Strategy) -> Sequence[Ints]:
    return slices.rotation, slices.parameter, slices.slice


def _rounds(slices: Slices, strategy: Strategy) -> Ints:
    return (slices.rotation - 1) // strategy.call_rounds


DEFAULT = StrategyKind("default", _default_order, issue=ASYNC, change="single copies")
BATCHED = StrategyKind("batched", _batched_order, reads=("slice_bytes",), change="a batched path")
RING = StrategyKind("ring", _rotated_order, issue=ASYNC, change="the order of peers")
BATCHED_PER_ROUND = StrategyKind(
    "batched_per_round",
    _peer_by_peer,
    call=_rounds,
    reads=("slice_bytes", "call_rounds", "barrier"),
    change="one batch for each peer",
    name_with_barrier="paced_rounds",
)
WAVES = StrategyKind(
    "waves", _batched_order, reads=("slice_bytes", "wave_copies", "barrier"), change="batches of a few copies"
)
STRATEGIES = {kind.name: kind for kind in (DEFAULT, BATCHED, RING, BATCHED_PER_ROUND, WAVES)}


def kind_named(name: str) -> StrategyKind:
    """Return the strategy of this project that has this name.

    Raises:
        ConfigError: There is none of that name.
    """
    check_choice("strategy.name", name, STRATEGIES)
    return STRATEGIES[name]


def default_and_batched(implementation: str) -> tuple[Strategy, Strategy]:
    """Return an engine's default copies and its `contention_opt` copies, or their equivalent if the engine has none."""
    return Strategy(DEFAULT, implementation), Strategy(BATCHED, implementation, CONTENTION_OPT_SLICE_BYTES)


def offered_by(implementation: str) -> tuple[Strategy, ...]:
    """Return the strategies that an engine's users can choose."""
    default, batched = default_and_batched(implementation)
    return (default, batched) if IMPLEMENTATIONS[implementation].batches else (default,)


def is_hypothetical(strategy: Strategy) -> bool:
    """Whether the engine cannot issue this strategy: it makes single copies only."""
    return not strategy.engine.batches and strategy.kind != DEFAULT
