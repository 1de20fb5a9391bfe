"""Draw the forward steps whose kernels are measured, as the simulator draws them."""

from __future__ import annotations

from dwdp_hw.job.schema import HwConfig
from dwdp_hw.kernels.allowed import lengths_of, refuse_model, refuse_steps
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.build_steps import build_load
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.steps.requests import draw_steps
from dwdp_sim.steps.workload import MOST_STEPS

_KINDS = ("layer", "iteration")


def draw_step_lengths(config: HwConfig, model: MoEModel, ranks: int) -> list[list[tuple[int, ...]]]:
    """Return, for each rank and step, warm-up included, the lengths of its requests, the longest first.

    Args:
        config: Resolved; `workload` and `seed` decide the steps.
        model: Whose kernels they meet.
        ranks: Of the group.

    Raises:
        ConfigError: The workload cannot be drawn, or torch has no kernels for the model or a step.
    """
    workload = config.workload
    if workload.kind not in _KINDS:
        raise ConfigError("workload.kind", workload.kind, f"kernels are measured for {' or '.join(_KINDS)}")
    for name, least in (("iterations", 1), ("warmup", 0)):
        if not least <= getattr(workload, name) <= MOST_STEPS:
            raise ConfigError(f"workload.{name}", getattr(workload, name), f"must be from {least} to {MOST_STEPS}")
    refuse_model(model)
    steps = draw_steps(build_load(workload), ranks, workload.warmup + workload.iterations, config.seed)
    refuse_steps((step for rank in steps for step in rank), workload.max_num_tokens)
    return [[lengths_of(step) for step in rank] for rank in steps]
