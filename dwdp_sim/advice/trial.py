"""One variant of the user's forward steps, and what all variants have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, Hypothesis
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.job import StepsJob
from dwdp_sim.job.make import make_scenario
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.coarse_plan import SLICES_A_PULL, CoarsePlan, coarse_constants, make_coarse_plan
from dwdp_sim.steps.compute import ComputeConfig
from dwdp_sim.steps.scenario import Scenario
from dwdp_sim.steps.window_hypotheses import with_settings
from dwdp_sim.steps.workload import StepsWorkload


@dataclass(frozen=True)
class Host:
    """Assumptions about the host.

    Attributes:
        issue_mode: `queued` (its time is hidden) or `as_issued`.
        ahead: Whether it may be one step ahead of the GPU.
        issue_slice_s: Seconds for each copy of a batch; None: the cluster's.
    """

    issue_mode: str
    ahead: bool
    issue_slice_s: float | None = None


@dataclass(frozen=True)
class Windows:
    """Compute windows other than the configured ones.

    Attributes:
        window_s: Seconds of a MoE layer.
        before_share: Part of it before it waits for its experts.
        cv: Coefficient of variation of the ranks' steps.
    """

    window_s: float
    before_share: float
    cv: float


@dataclass(frozen=True)
class Trial:
    """One variant of the user's forward steps.

    Attributes:
        strategy: How layers are pulled.
        carry_over: Whether the next step's first layers are prefetched before it begins.
        state: What the machine is like.
        layers: MoE layers of a step; None: all of the model's.
        window_factor: On all compute times.
        host: None: as configured.
        windows: None: as configured.
        num_prefetch_experts: Experts pulled from each peer; None: as configured.
        start: `random` or `lockstep`; None: as configured.
        slices: Pieces into which the largest pull is cut in the simulation, about (`coarse_plan.make_coarse_plan`).
    """

    strategy: Strategy
    carry_over: bool = False
    state: Hypothesis = AS_CONFIGURED
    layers: int | None = None
    window_factor: float = 1.0
    host: Host | None = None
    windows: Windows | None = None
    num_prefetch_experts: int | None = None
    start: str | None = None
    slices: int = SLICES_A_PULL


@dataclass(frozen=True)
class Baseline:
    """What all trials have in common: the user's forward steps, apart from the strategy."""

    cluster: Cluster
    options: FabricOptions
    model: MoEModel
    placement: Placement
    workload: StepsWorkload
    issue_mode: str
    seed: int
    engine: str = "auto"

    @classmethod
    def of(cls, job: StepsJob) -> Baseline:
        """Return the baseline of the user's job."""
        layer, workload, engine = job.layer, job.scenario.workload, job.scenario.engine
        return cls(job.cluster, job.options, layer.model, layer.placement, workload, job.issue_mode, job.seed, engine)

    def placed(self, trial: Trial) -> Placement:
        """Return the placement of a trial."""
        if trial.num_prefetch_experts is None:
            return self.placement
        placement = self.placement
        return Placement.create(placement.num_experts, placement.dwdp_size, None, trial.num_prefetch_experts)

    def coarse(self, trial: Trial) -> CoarsePlan:
        """Return the coarse plan that is simulated for `trial`."""
        return make_coarse_plan(self.model, self.placed(trial), trial.strategy, trial.slices)

    def issue_mode_of(self, trial: Trial) -> str:
        """Return the issue mode, `queued` or `as_issued`."""
        return trial.host.issue_mode if trial.host else self.issue_mode

    def hides_host(self, trial: Trial) -> bool:
        """Whether host time is hidden."""
        return self.issue_mode_of(trial) == "queued"

    def scenario(self, trial: Trial) -> Scenario:
        """Return the forward steps of `trial`.

        Raises:
            ConfigError: They cannot run.
        """
        cluster, options = trial.state.machine(self.cluster, self.options, self.seed)
        coarse = self.coarse(trial)
        scenario = make_scenario(
            self._shortened(trial),
            coarse.plan,
            cluster,
            self._workload(trial),
            options,
            issue_mode=self.issue_mode_of(trial),
            seed=self.seed,
        )
        constants = scenario.constants
        if trial.host is not None and trial.host.issue_slice_s is not None:
            constants = replace(constants, issue_slice_s=trial.host.issue_slice_s)
        return replace(scenario, constants=coarse_constants(constants, coarse), engine=self.engine)

    def with_times_of(self, trial: Trial, scenario: Scenario) -> Scenario:
        """Return the forward steps of `trial` from those of one that differs in its compute windows and starts only."""
        return replace(scenario, model=self._shortened(trial), workload=self._workload(trial))

    def _workload(self, trial: Trial) -> StepsWorkload:
        workload = replace(self.workload, start=trial.start or self.workload.start, carry_over=trial.carry_over)
        if trial.host is not None:
            workload = replace(workload, ahead=trial.host.ahead)
        if trial.windows is None:
            return replace(workload, compute=with_settings(workload.compute, trial.state.compute))
        compute = ComputeConfig(
            kind="constant",
            name="constant",
            constants={"interference": workload.compute.constants["interference"]},
            window_s=trial.windows.window_s,
            before_share=trial.windows.before_share,
            variation=trial.windows.cv,
        )
        return replace(workload, compute=compute)

    def _shortened(self, trial: Trial) -> MoEModel:
        model = self.model
        from_file = self.workload.compute.kind == "file" and trial.windows is None  # it has all layers
        if trial.layers is None or trial.layers >= model.num_moe_layers or from_file:
            return model
        return replace(model, num_layers=model.num_dense_layers + trial.layers, num_moe_layers=trial.layers)
