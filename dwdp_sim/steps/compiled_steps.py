"""Run forward steps on the compiled engine: the same inputs and timeline as the readable one in `simulate_steps`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.blame import ends_of
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.prepared import PreparedSteps
from dwdp_sim.fabric.compiled.recorder import Recorder
from dwdp_sim.fabric.compiled.run import run_to_the_end
from dwdp_sim.fabric.compiled.state import State
from dwdp_sim.fabric.compiled.step_input import StepInput
from dwdp_sim.fabric.compiled.tables import build_state
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulation import execution_order
from dwdp_sim.fabric.timeline import LinkRates
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import StepWindows


def run_steps(
    program: Program,
    windows: StepWindows,
    constants: FabricConstants,
    options: FabricOptions,
    pace: Pace,
    start_s: Floats,
    seed: int,
    progress: Callable[[int], None],
    blame: bool,
    rates_between_s: tuple[float, float] | None,
) -> StepTimeline | None:
    """Predict forward steps; arguments as of `simulate_steps`.

    Returns:
        The timeline; None if ranks drift so far apart that the engine's tables do not reach.
    """
    steps = _step_input(windows, pace, start_s)
    order = execution_order(program, constants, options, seed)
    state = build_state(program, order, constants, options, steps, recorded_s=rates_between_s, blame=blame)
    recorder = None if rates_between_s is None else Recorder(state)
    outcome = run_to_the_end(state, progress, recorder)
    return _timeline(
        outcome,
        state,
        windows,
        links=None if recorder is None else recorder.links,
        lost_s=state.lost_s.reshape(len(start_s), -1, *[ends_of(program)] * 2) if blame else None,
    )


class PreparedForwardSteps:
    """The engine's tables of forward steps that run again and again with other compute windows.

    Args:
        program, constants, options, pace: As of `simulate_steps`.
    """

    def __init__(self, program: Program, constants: FabricConstants, options: FabricOptions, pace: Pace) -> None:
        self._program, self._constants, self._options, self._pace = program, constants, options, pace
        self._prepared: PreparedSteps | None = None

    def run(self, windows: StepWindows, start_s: Floats, seed: int) -> StepTimeline | None:
        """Predict forward steps, as `run_steps` does; the timeline holds until the next run."""
        steps = _step_input(windows, self._pace, start_s)
        order = execution_order(self._program, self._constants, self._options, seed)
        outcome, state = self._prepare(steps, order).run(steps)
        return _timeline(outcome, state, windows)

    def _prepare(self, steps: StepInput, order: Ints) -> PreparedSteps:
        if self._prepared is None or not self._prepared.suits(order, steps):
            self._prepared = PreparedSteps(self._program, order, self._constants, self._options, steps)
        return self._prepared


def _step_input(windows: StepWindows, pace: Pace, start_s: Floats) -> StepInput:
    """What the engine is told of the steps."""

    def lost(slowdown: Floats | float) -> Floats:
        share = 1.0 - 1.0 / (pace.interference * np.asarray(slowdown, dtype=float))
        return share if share.shape else np.full(windows.moe_s.shape, share)

    return StepInput(
        start_s=np.asarray(start_s, dtype=np.float64),
        lead_s=windows.lead_s,
        before_s=windows.before_s,
        moe_s=windows.moe_s,
        lost_lead=1.0 - 1.0 / (pace.interference * 1.0),
        lost_before=lost(windows.before_slowdown),
        lost_moe=lost(windows.moe_slowdown),
        slots=min(pace.slots, windows.layers),
        launch_s=pace.launch_s,
        ahead=pace.ahead,
        carry_over=pace.carry_over,
        goes_on=pace.goes_on,
    )


def _timeline(
    outcome: int,
    state: State,
    windows: StepWindows,
    links: LinkRates | None = None,
    lost_s: Floats | None = None,
) -> StepTimeline | None:
    """What happened, in the state's own tables; None if they did not suffice."""
    if outcome == c.FAULTY:
        return None
    if outcome != c.DONE:
        raise RuntimeError("the steps came to a stop: a barrier or a slot never opens")
    step_s = state.step_s.reshape(3, *windows.lead_s.shape)
    layer_s = state.layer_s.reshape(11, *windows.moe_s.shape)
    return StepTimeline(
        step_begin_s=step_s[c.T_BEGIN],
        step_lead_end_s=step_s[c.T_LEAD_END],
        step_end_s=step_s[c.T_END],
        launch_wait_s=layer_s[c.T_LAUNCH_WAIT],
        wait_begin_s=layer_s[c.T_WAIT_BEGIN],
        moe_begin_s=layer_s[c.T_MOE_BEGIN],
        moe_end_s=layer_s[c.T_MOE_END],
        prefetch_begin_s=layer_s[c.T_FETCH_BEGIN],
        prefetch_end_s=layer_s[c.T_FETCH_END],
        own_engine_s=layer_s[c.T_OWN],
        host_s=layer_s[c.T_HOST],
        gap_s=layer_s[c.T_GAP],
        transfer_s=layer_s[c.T_TRANSFER],
        contention_s=layer_s[c.T_CONTENTION],
        links=links,
        lost_s=lost_s,
    )
