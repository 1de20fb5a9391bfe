"""Predict recorded forward steps with the simulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dwdp_hw.cases.start_offsets import program_draws_s
from dwdp_hw.rows.host_costs import at_bound
from dwdp_hw.rows.predict import Prediction
from dwdp_hw.rows.steps import RecordedSteps
from dwdp_sim.base.arrays import Floats
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions


def predict_steps(steps: RecordedSteps, cluster: Cluster, options: FabricOptions) -> Prediction:
    """Simulate a recorded step from its compute windows as they were measured; the range is that of the host's costs.

    Raises:
        ConfigError: The cluster lacks a constant that the step needs.
    """
    if steps.mapping is not None:
        cluster = replace(cluster, mapping=steps.mapping)
    mean_s = _step_s(steps, cluster, options)
    queued = bool(steps.program.stream_queued.all())
    bounds = [] if queued else [_step_s(steps, at_bound(cluster, bound), options) for bound in (0, 1)]
    possible = np.array([mean_s, *bounds])
    return Prediction(mean_s, possible.min(axis=0), possible.max(axis=0))


def _step_s(steps: RecordedSteps, cluster: Cluster, options: FabricOptions) -> Floats:
    """Seconds of each rank from the common start to the end of its last layer."""
    constants = constants_for(cluster, steps.program, options, in_steps=True)
    together_s = np.zeros((1, len(steps.program.stream_gpu)))
    step_s: Floats = program_draws_s(steps.program, constants, options, together_s, windows=steps.windows)[0]
    return step_s
