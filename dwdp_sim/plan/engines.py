"""How serving engines differ when they pull experts, as read in their public source."""

from __future__ import annotations

from dataclasses import dataclass

CONTENTION_OPT_SLICE_BYTES = 2 * 2**20  # TensorRT-LLM's slice under `contention_opt`


@dataclass(frozen=True)
class Implementation:
    """The way in which one serving engine pulls experts.

    Attributes:
        kinds: Kinds of parameters it pulls.
        default_keys: Sort keys of its one-by-one order (fields of `Slices`), most significant first.
        batched_keys: Sort keys of its batched order.
        batches: Whether its users can choose the batched copies (`contention_opt`).
        lowest_rank_serves: Overlapping experts come from the lowest rank that holds them, not by distance.
        allows_overlap: Whether L > P is possible.
    """

    kinds: tuple[str, ...]
    default_keys: tuple[str, ...]
    batched_keys: tuple[str, ...]
    batches: bool
    lowest_rank_serves: bool
    allows_overlap: bool


IMPLEMENTATIONS = {
    "trtllm_ipc": Implementation(
        kinds=("weight", "scale", "alpha", "bias"),
        default_keys=("peer", "parameter"),
        batched_keys=("parameter", "slice", "rotation"),
        batches=True,
        lowest_rank_serves=False,
        allows_overlap=True,
    ),
    "trtllm_vmm": Implementation(
        kinds=("weight", "scale", "bias"),
        default_keys=("parameter", "peer"),
        batched_keys=("position", "peer"),
        batches=True,
        lowest_rank_serves=True,
        allows_overlap=True,
    ),
    # sglang has no batched path; simulated with its copies in trtllm_ipc's batched order.
    "sglang": Implementation(
        kinds=("weight",),
        default_keys=("parameter", "peer"),
        batched_keys=("parameter", "slice", "rotation"),
        batches=False,
        lowest_rank_serves=False,
        allows_overlap=False,
    ),
}
