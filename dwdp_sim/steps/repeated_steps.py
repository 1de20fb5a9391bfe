"""Run forward steps of one program many times with other compute windows and starts, as an advice does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.engine_choice import takes_compiled
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import objection_to_steps, simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows

if TYPE_CHECKING:
    from dwdp_sim.steps.compiled_steps import PreparedForwardSteps


class RepeatedSteps:
    """Forward steps whose runs give what `simulate_steps` gives; the compiled engine builds its tables only once.

    Not for several threads at a time.

    Args:
        program, constants, options, pace: As of `simulate_steps`.
        ranks: Ranks of the group.
        engine: As in `engine_choice.takes_compiled`.
        copies: How many copies will be simulated in all its runs, and those of others beside it, about: by that `auto`
            chooses.
    """

    def __init__(
        self,
        program: Program,
        constants: FabricConstants,
        options: FabricOptions,
        pace: Pace,
        *,
        ranks: int,
        engine: str = "auto",
        copies: int,
    ) -> None:
        self._program, self._constants, self._options, self._pace = program, constants, options, pace
        self._prepared: PreparedForwardSteps | None = None
        self._otherwise = "compiled" if engine == "compiled" else "simpy"  # the former says why it cannot
        if takes_compiled(engine, copies, objection_to_steps(program, ranks)):
            from dwdp_sim.steps.compiled_steps import PreparedForwardSteps  # noqa: PLC0415 - imports numba

            self._prepared = PreparedForwardSteps(program, constants, options, pace)

    def run(self, windows: StepWindows, start_s: Floats, seed: int = 0) -> StepTimeline:
        """Predict forward steps.

        Args:
            windows: Compute times of every rank, iteration and layer.
            start_s: When each rank's first step begins, shape (ranks,).
            seed: Only used by `batch_order` swapped and random.

        Returns:
            A timeline that holds until the next run.
        """
        timeline = None if self._prepared is None else self._prepared.run(windows, start_s, seed)
        if timeline is not None:
            return timeline
        return simulate_steps(
            self._program,
            windows,
            self._constants,
            self._options,
            self._pace,
            start_s=start_s,
            seed=seed,
            engine=self._otherwise,
        )
