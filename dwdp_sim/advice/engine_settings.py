"""Write the settings for the engine's configuration."""

from __future__ import annotations

from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.kinds import BATCHED, DEFAULT


def engine_settings(candidate: Candidate, placement: Placement, max_num_tokens: int) -> str:
    """Return a `dwdp_config:` block for TensorRT-LLM, or flags for sglang.

    Args:
        candidate: What the engine can do as it is.
        placement: Who holds what.
        max_num_tokens: Most new tokens of a forward step.
    """
    size = placement.dwdp_size
    if candidate.strategy.implementation == "sglang":  # names as in sgl-project/sglang PR 29778; sizes follow from them
        return (
            f"python -m sglang.launch_server --tp-size {size} --dwdp-size {size} "
            f"--disaggregation-mode prefill --chunked-prefill-size {max_num_tokens} …"
        )
    kind = candidate.strategy.kind
    if kind in (DEFAULT, BATCHED):
        setting = f"contention_opt: {'true' if kind == BATCHED else 'false'}"
    else:
        setting = f"# contention_opt: no setting of the engine chooses {kind.name}"
    return (
        "dwdp_config:\n"
        f"  dwdp_size: {size}\n"
        f"  num_experts_per_worker: {placement.num_experts_per_worker}\n"
        f"  num_prefetch_experts: {placement.num_prefetch_experts}\n"
        f"  {setting}"
    )
