"""The head of every summary: the run, the plan's size and the memory it needs."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.job.job import Layer

SUMMARY_SCHEMA = 2


@dataclass(frozen=True)
class RunHead:
    """Names and hashes that say which run a summary is of.

    Attributes:
        schema: Version of the summary's keys.
        config_hash: Of the resolved configuration.
        cluster: The machine's name.
        issue_mode: `queued`, `as_issued`, or `replay`.
    """

    schema: int
    config_hash: str
    cluster: str
    issue_mode: str


@dataclass(frozen=True)
class PlanCounts:
    """Copies, bytes and driver calls of a plan, one entry a rank."""

    copies_per_rank: list[int]
    bytes_per_rank: list[int]
    calls_per_rank: list[int]


@dataclass(frozen=True)
class LayerHead(RunHead):
    """The head of a summary of a layer's prefetch, predicted or measured.

    Attributes:
        model, strategy, implementation: Names.
        dwdp_size: Ranks of the group.
        home: Where the peers' experts are: `peer`, `host` or `local`.
        plan: What each rank does.
    """

    model: str
    strategy: str
    implementation: str
    dwdp_size: int
    home: str
    plan: PlanCounts


@dataclass(frozen=True)
class MemoryBytes:
    """Bytes that a GPU needs: resident experts of all MoE layers, and slots of remote experts."""

    experts: int
    slots: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.experts + self.slots


def layer_head(layer: Layer, *, config_hash: str, cluster: str, issue_mode: str, home: str) -> LayerHead:
    """Return the head of a summary of `layer`'s prefetch."""
    plan = layer.plan
    return LayerHead(
        schema=SUMMARY_SCHEMA,
        config_hash=config_hash,
        cluster=cluster,
        issue_mode=issue_mode,
        model=layer.model.name,
        strategy=layer.strategy.name,
        implementation=layer.strategy.implementation,
        dwdp_size=layer.placement.dwdp_size,
        home=home,
        plan=PlanCounts(plan.copies_per_rank(), plan.bytes_per_rank(), plan.calls_per_rank()),
    )


def memory_bytes(layer: Layer, slots: int = 2) -> MemoryBytes:
    """Return the bytes that a GPU needs for the model of `layer` with `slots` slots."""
    model, placement = layer.model, layer.placement
    experts = model.num_moe_layers * placement.num_experts_per_worker * model.expert_bytes
    return MemoryBytes(experts, slots * layer.plan.slot_bytes())
