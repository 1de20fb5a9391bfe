"""Rates between events, from the log of the compiled engine."""

from __future__ import annotations

from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.state import State
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.rates import RateModel, RateSet
from dwdp_sim.fabric.timeline import LinkRates


class Recorder:
    """Follows which flows move, and asks the readable model for their rates: once for each set."""

    def __init__(self, state: State, constants: FabricConstants, options: FabricOptions) -> None:
        self._state = state
        self._model = RateModel(constants, options)
        for engine, gpu, src, dst in state.flow_i[:, [c.F_ENGINE, c.F_GPU, c.F_SRC, c.F_DST]].tolist():
            self._model.number(Flow(engine, gpu, src, dst))
        self._mask = 0
        self._samples: list[tuple[float, RateSet]] = []

    def read(self) -> None:
        """Take over and empty the log."""
        count = int(self._state.ints[c.LOG_N])
        self._state.ints[c.LOG_N] = 0
        for what, time_s in zip(self._state.log[:count].tolist(), self._state.log_s[:count].tolist(), strict=True):
            if what:
                self._mask ^= 1 << (abs(what) - 1)
            else:
                self._samples.append((time_s, self._model.solve(self._mask)))

    @property
    def links(self) -> LinkRates:
        """What has been recorded."""
        return LinkRates(self._samples, self._model.flows)
