"""Run one program many times with other constants and starts, as a fit does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.engine_choice import objection_to, takes_compiled
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import from_first_start, simulate
from dwdp_sim.fabric.simulation import execution_order
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.plan.program import Program

if TYPE_CHECKING:
    from dwdp_sim.fabric.compiled.prepared import Prepared


class RepeatedProgram:
    """A program whose runs give what `simulate` gives; the compiled engine builds its tables only once.

    Not for several threads at a time.

    Args:
        program: Streams, calls and copies.
        options: Alternatives of the model.
        engine: As in `engine_choice.takes_compiled`.
        copies: How many copies will be simulated in all its runs, and those of others beside it, about: by that `auto`
            chooses.

    Attributes:
        program: As given.
    """

    def __init__(self, program: Program, options: FabricOptions, *, engine: str = "auto", copies: int) -> None:
        self.program = program
        self._options = options
        self._compiled = takes_compiled(engine, copies, objection_to(program))
        self._prepared: Prepared | None = None

    def run(self, constants: FabricConstants, start_s: Floats | None = None, seed: int = 0) -> SimulatedTimeline:
        """Predict when every copy starts and ends.

        Args:
            constants: From `constants_for`, for this program.
            start_s: When each stream's clock starts, shape (streams,); the program's own starts when unset.
            seed: Only used by `batch_order` swapped and random.
        """
        start_s = self.program.stream_start_s if start_s is None else start_s
        drawn = replace(self.program, stream_start_s=start_s)
        if not self._compiled:
            return simulate(drawn, constants, self._options, seed=seed, engine="simpy")
        prepared = self._prepare(constants, seed)
        return from_first_start(drawn, lambda early: prepared.run(constants, early.stream_start_s))

    def _prepare(self, constants: FabricConstants, seed: int) -> Prepared:
        from dwdp_sim.fabric.compiled.prepared import Prepared  # noqa: PLC0415 - imports numba

        order = execution_order(self.program, constants, self._options, seed)
        if self._prepared is None or not self._prepared.suits(order, constants):
            self._prepared = Prepared(self.program, order, constants.batch_engines, self._options)
        return self._prepared
