"""Rates between events, from the log of the compiled engine."""

from __future__ import annotations

import numpy as np

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.state import State
from dwdp_sim.fabric.flow import Flow
from dwdp_sim.fabric.timeline import LinkRates


class Recorder:
    """Takes over what `watching.log_rates` has written."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._parts: list[tuple[Ints, Floats, Floats]] = []

    def read(self) -> None:
        """Take over and empty the log."""
        count = int(self._state.ints[c.LOG_N])
        self._state.ints[c.LOG_N] = 0
        log, value, alone = self._state.log, self._state.log_value, self._state.log_alone
        self._parts.append((log[:count].copy(), value[:count].copy(), alone[:count].copy()))

    @property
    def links(self) -> LinkRates:
        """What has been recorded."""
        flow, value, alone = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        is_time = flow == c.SETTLED
        sample = np.cumsum(is_time) - 1
        rows = np.flatnonzero(~is_time)
        rows = rows[np.lexsort([flow[rows], sample[rows]])]
        ends = self._state.flow_i[:, [c.F_ENGINE, c.F_GPU, c.F_SRC, c.F_DST]].tolist()
        flows = [Flow(*end) for end in ends]
        return LinkRates(value[is_time], sample[rows], flow[rows], value[rows], alone[rows], flows)
