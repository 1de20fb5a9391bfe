"""Jobs: everything that a simulation needs, built from a model, a placement, a strategy and a cluster.

There are three kinds: one MoE layer's prefetch (`LayerJob`), forward steps (`StepsJob`) and a program from a file
(`ReplayJob`). They hold no configuration; `CheckedRun` lays the configuration that a job was made from beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.overridden import Overridden
from dwdp_sim.job.start_times import Starts
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.copy_plan import CopyPlan
from dwdp_sim.plan.program import Program, program_from_plan
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.background import with_background
from dwdp_sim.steps.coarse_plan import COARSE_SLICES, CoarsePlan, make_coarse_plan
from dwdp_sim.steps.scenario import Draw, Scenario


@dataclass(frozen=True)
class Layer:
    """The prefetch of one MoE layer: what is stored where, how it is pulled, and the plan that follows."""

    model: MoEModel
    placement: Placement
    strategy: Strategy
    plan: CopyPlan


@dataclass(frozen=True)
class LayerJob:
    """The prefetch of one MoE layer, simulated for every draw of the ranks' starts.

    Attributes:
        layer: Model, placement, strategy and plan.
        cluster: The machine.
        options: Alternatives of the contention model.
        program: What runs, one stream a rank.
        constants: What running it needs.
        starts: How the ranks' starts are drawn.
        starts_s: Start of each stream in seconds, one tuple a draw.
        slots: Slots for prefetched layers that a GPU has: they count in its memory.
        seed: Seed of everything random.
        issue_mode: `queued` or `as_issued`.
        engine: As in `engine_choice.takes_compiled`.
    """

    layer: Layer
    cluster: Cluster
    options: FabricOptions
    program: Program
    constants: FabricConstants
    starts: Starts
    starts_s: tuple[tuple[float, ...], ...]
    slots: int
    seed: int
    issue_mode: str
    engine: str = "auto"

    def drawn(self, draw: int) -> Program:
        """The program with the starts of one draw."""
        return replace(self.program, stream_start_s=np.array(self.starts_s[draw]))


@dataclass(frozen=True)
class ReplayJob:
    """A copy program from a file, simulated for every draw of its streams' starts.

    Attributes:
        cluster: The machine.
        options: Alternatives of the contention model.
        program: What runs.
        constants: What running it needs.
        starts: How much later than the program says its streams start.
        starts_s: Start of each stream in seconds, one tuple a draw.
        seed: Seed of everything random.
        engine: As in `engine_choice.takes_compiled`.
    """

    cluster: Cluster
    options: FabricOptions
    program: Program
    constants: FabricConstants
    starts: Starts
    starts_s: tuple[tuple[float, ...], ...]
    seed: int
    engine: str = "auto"
    issue_mode: ClassVar[str] = "replay"  # in a replay each stream of the program has its own mode

    def drawn(self, draw: int) -> Program:
        """The program with the starts of one draw."""
        return replace(self.program, stream_start_s=np.array(self.starts_s[draw]))


@dataclass(frozen=True)
class CoarseSteps:
    """One layer's prefetch in larger slices, which stands for the real one when many hypotheses are compared."""

    plan: CoarsePlan
    program: Program


@dataclass(frozen=True)
class StepsJob:
    """Forward steps in which every MoE layer is prefetched in the same way.

    Attributes:
        layer: Model, placement, strategy and plan of each layer's prefetch.
        cluster: The machine.
        options: Alternatives of the contention model.
        scenario: What runs, up to what a seed draws.
        first: What the first seed draws.
        background_bytes: Bytes that are taken away from each rank after a step.
        seed: The first seed.
        issue_mode: `queued` or `as_issued`.
    """

    layer: Layer
    cluster: Cluster
    options: FabricOptions
    scenario: Scenario
    first: Draw
    background_bytes: int
    seed: int
    issue_mode: str

    @property
    def program(self) -> Program:
        """One layer's prefetch, and what is taken away after each step."""
        return self.scenario.program

    @property
    def constants(self) -> FabricConstants:
        """The constants that the program needs."""
        return self.scenario.constants

    @cached_property
    def coarse(self) -> CoarseSteps:
        """Return the same prefetch in larger slices, for comparing hypotheses."""
        model, placement = self.layer.model, self.layer.placement
        coarse = make_coarse_plan(model, placement, self.layer.strategy, COARSE_SLICES)
        program = layer_program(coarse.plan, self.cluster, self.issue_mode)
        return CoarseSteps(coarse, with_background(program, self.background_bytes))


Job = LayerJob | StepsJob | ReplayJob


@dataclass(frozen=True)
class CheckedRun:
    """A job and the configuration that it was built from.

    Attributes:
        config: The resolved configuration, every unset value filled in.
        config_hash: Of `config` with files replaced by their contents.
        job: What runs.
        overridden: Values that are otherwise than in the files that the configuration names.
    """

    config: dict[str, Any]
    config_hash: str
    job: Job
    overridden: tuple[Overridden, ...] = ()


def layer_program(plan: CopyPlan, cluster: Cluster, issue_mode: str) -> Program:
    """The plan as one stream a rank; as many ranks run as there are GPUs where experts are not in peers.

    Raises:
        ConfigError: The cluster has too few GPUs, or there is no such issue mode.
    """
    size = plan.placement.dwdp_size
    if cluster.home == "peer" and size > cluster.num_gpus:
        raise ConfigError(
            "dwdp.dwdp_size", size, f"cluster {cluster.name} has {cluster.num_gpus} GPUs; choose a larger cluster"
        )
    ranks = size if cluster.home == "peer" else min(size, cluster.num_gpus)
    return program_from_plan(plan, issue_mode=issue_mode, home=cluster.home, ranks=ranks)
