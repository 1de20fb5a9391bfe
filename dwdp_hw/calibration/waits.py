"""Estimate how long a stream takes to continue after another stream's event, from recorded forward steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dwdp_hw.rows.steps import RecordedSteps
from dwdp_sim.base.arrays import Floats

_EARLY_S = 20e-6  # a layer whose experts arrived so long before it came to need them did not wait for bytes


def event_waits_s(steps: Sequence[RecordedSteps]) -> Floats:
    """Return the seconds between two layers' compute, of all ranks, if the experts had arrived long before.

    A layer has a wait for its event there, and nothing else. A step's first layer counts never.
    """
    found = [one.waits_s[:, 1:][one.late_s[:, 1:] < -_EARLY_S] for one in steps if one.unstable is None]
    return np.concatenate([np.zeros(0), *found])
