"""Run one program, or forward steps of it, again and again, without building the engine's tables anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.compiled.constant_tables import set_constants
from dwdp_sim.fabric.compiled.plan_tables import plan_tables
from dwdp_sim.fabric.compiled.run import check_outcome, run_tables, timeline_of
from dwdp_sim.fabric.compiled.state import State, addresses
from dwdp_sim.fabric.compiled.step_input import StepInput
from dwdp_sim.fabric.compiled.tables import empty_state, set_starts, set_steps
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.plan.program import Program

_LEFT_ALONE = ("known_row", "known_rates")  # read only where known_key says that a set of flows has been solved


class Prepared:
    """A program's tables as they are before constants are set, and a copy of them to run in.

    Args:
        program: What runs; the starts of its streams do not count.
        order: Index in the program of the copy at each place of the execution.
        batch_engines: As the constants of all runs say.
        options: Alternatives of the model.
    """

    def __init__(self, program: Program, order: Ints, batch_engines: int, options: FabricOptions) -> None:
        self._program, self._order, self._options = program, order, options
        self._plan = plan_tables(program, order, batch_engines)
        self._batch_engines = batch_engines
        self._tables = _Restored(empty_state(program, self._plan, options))

    def suits(self, order: Ints, constants: FabricConstants) -> bool:
        """Whether copies in this order, with these constants, differ from the prepared ones in numbers alone."""
        return self._batch_engines == constants.batch_engines and np.array_equal(order, self._order)

    def run(self, constants: FabricConstants, start_s: Floats) -> SimulatedTimeline:
        """Predict when every copy starts and ends, as `run_program` does for a program with these starts."""
        state = self._tables.as_at_first()
        set_constants(state, self._plan, constants, self._options)
        set_starts(state, start_s)
        check_outcome(run_tables(self._tables.addresses))
        return timeline_of(state, replace(self._program, stream_start_s=start_s), self._order)


class PreparedSteps:
    """Tables of forward steps as they are before starts and windows are set, and a copy of them to run in.

    Args:
        program: The prefetch of one layer.
        order: As of `Prepared`.
        constants: From `constants_for`.
        options: Alternatives of the model.
        like: Steps of the same shape, slots and hosts as all that will run.
    """

    def __init__(
        self, program: Program, order: Ints, constants: FabricConstants, options: FabricOptions, like: StepInput
    ) -> None:
        self._order, self._shape = order, like.moe_s.shape
        plan = plan_tables(program, order, constants.batch_engines)
        state = empty_state(program, plan, options, like)
        set_constants(state, plan, constants, options)
        self._tables = _Restored(state)

    def suits(self, order: Ints, steps: StepInput) -> bool:
        """Whether these steps, with copies in this order, differ from the prepared ones in starts and windows alone."""
        return self._shape == steps.moe_s.shape and np.array_equal(order, self._order)

    def run(self, steps: StepInput) -> tuple[int, State]:
        """Return why the loop has ended, as `run_events` says, and the state, which holds until the next run."""
        state = self._tables.as_at_first()
        set_steps(state, steps)
        return run_tables(self._tables.addresses), state


class _Restored:
    """A state that can be brought back: its tables lie in two arrays, one of whole and one of real numbers.

    Attributes:
        addresses: Where its tables lie.
    """

    def __init__(self, state: State) -> None:
        self._fresh_ints, self._fresh_floats = _joined(state)
        self._ints, self._floats = self._fresh_ints.copy(), self._fresh_floats.copy()
        self._state = _views(state, self._ints, self._floats)
        self.addresses = addresses(self._state)

    def as_at_first(self) -> State:
        """Return the state, as it was given."""
        self._ints[:], self._floats[:] = self._fresh_ints, self._fresh_floats
        return self._state


def _joined(state: State) -> tuple[Ints, Floats]:
    """The tables one behind another: those of whole numbers, and those of real ones."""
    tables = [table.reshape(-1) for name, table in state._asdict().items() if name not in _LEFT_ALONE]
    whole, real = ([t for t in tables if t.dtype == kind] for kind in (np.int64, np.float64))
    return np.concatenate(whole), np.concatenate(real)


def _views(like: State, ints: Ints, floats: Floats) -> State:
    """Tables with the shapes of `like` that lie in `ints` and `floats`, in the order of `_joined`."""
    tables: dict[str, Any] = {name: getattr(like, name) for name in _LEFT_ALONE}
    for kind in (ints, floats):
        first = 0
        for name, table in like._asdict().items():
            if table.dtype == kind.dtype and name not in _LEFT_ALONE:
                tables[name] = kind[first : first + table.size].reshape(table.shape)
                first += table.size
    return State(**tables)
