"""Run trials of candidates: forward steps for a seed, under a hypothesis, each simulated only once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, Hypothesis, without_walk
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.job import StepsJob
from dwdp_sim.job.make import make_scenario
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.coarse_plan import SLICES_A_PULL, CoarsePlan, coarse_constants, make_coarse_plan
from dwdp_sim.steps.compute import ComputeConfig
from dwdp_sim.steps.repeated_steps import RepeatedSteps
from dwdp_sim.steps.scenario import Draw, Scenario, draw, mean_step_s
from dwdp_sim.steps.window_hypotheses import with_settings
from dwdp_sim.steps.workload import StepsWorkload

_AMONG = 100  # simulations of an advice in each of its processes, at least
_BLOCK = 2_000  # simulations whose windows are drawn before they run
_BATCHES = 64  # parts of a block, at least, so that all workers are busy to its end

_Key = tuple[object, ...]  # of a simulation: equal where the times are
_Batch = tuple[Scenario, list[Draw]]


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


class Trials:
    """Runs trials and remembers their times, so that none runs twice.

    Set-ups that come to the same simulation (as small slices do where the host's time is hidden) run once.
    """

    def __init__(
        self, baseline: Baseline, pool: Executor | None, progress: Callable[[int, int], None] = lambda done, of: None
    ) -> None:
        self.baseline = baseline
        self._pool, self._progress = pool, progress
        refill = baseline.cluster.constants.get("refill")
        self._refill = None if refill is None else refill.value
        self._known: dict[_Key, float] = {}
        self._twins: dict[tuple[Strategy, int | None, int], CoarsePlan] = {}
        self._scenarios: dict[Trial, Scenario] = {}
        self._identities: dict[Trial, tuple[object, ...]] = {}

    def run(self, tasks: Iterable[tuple[Trial, int]]) -> None:
        """Run those (trial, seed) pairs that have not run yet, side by side."""
        missing: dict[_Key, tuple[Trial, int]] = {}
        for trial, seed in tasks:
            key = (*self.identity(trial), seed)
            if key not in self._known:
                missing.setdefault(key, (trial, seed))
        todo, done = list(missing.items()), 0
        for first in range(0, len(todo), _BLOCK):
            keys, batches = self._batches(todo[first : first + _BLOCK])
            results = (map if self._pool is None else self._pool.map)(_mean_steps_s, batches)
            for names, seconds in zip(keys, results, strict=True):
                self._known.update(zip(names, seconds, strict=True))
                done += len(names)
                self._progress(done, len(todo))

    def _batches(self, todo: list[tuple[_Key, tuple[Trial, int]]]) -> tuple[list[list[_Key]], list[_Batch]]:
        """What one worker does at a time: the same copies under several windows; and whose times it finds."""
        draws: dict[tuple[object, ...], Draw] = {}
        alike: dict[object, tuple[Scenario, list[tuple[_Key, Draw]]]] = {}
        for key, (trial, seed) in todo:
            scenario = self._scenario(trial)
            drawn = trial.windows, trial.state.compute, trial.start, trial.layers, trial.window_factor, seed
            if drawn not in draws:
                draws[drawn] = _draw(scenario, trial.window_factor, seed)
            copies = self._copies_of(trial), scenario.workload.pace()
            alike.setdefault(copies, (scenario, []))[1].append((key, draws[drawn]))
        size = max(1, len(todo) // _BATCHES)
        parts = [(scenario, all_[i : i + size]) for scenario, all_ in alike.values() for i in range(0, len(all_), size)]
        keys = [[key for key, _ in part] for _, part in parts]
        return keys, [(scenario, [drawn for _, drawn in part]) for scenario, part in parts]

    def times(self, trial: Trial, seeds: Sequence[int]) -> list[float]:
        """Return the iteration times in seconds, one for each seed."""
        self.run((trial, seed) for seed in seeds)
        return [self._known[(*self.identity(trial), seed)] for seed in seeds]

    def coarse(self, trial: Trial) -> CoarsePlan:
        """Return the coarse plan that is simulated for `trial`."""
        key = trial.strategy, trial.num_prefetch_experts, trial.slices
        if key not in self._twins:
            self._twins[key] = self.baseline.coarse(trial)
        return self._twins[key]

    def _scenario(self, trial: Trial) -> Scenario:
        """The forward steps of a trial; copies and constants are made once for all compute windows."""
        alike = self._copies_of(trial)
        if alike not in self._scenarios:
            self._scenarios[alike] = self.baseline.scenario(alike)
        return self.baseline.with_times_of(trial, self._scenarios[alike])

    def _copies_of(self, trial: Trial) -> Trial:
        """A trial that is equal for all whose copies and constants are."""
        if self.baseline.workload.background_bytes_per_token:  # which follow from the tokens of the windows
            return trial
        return replace(trial, window_factor=1.0, windows=None, carry_over=False, start=None)

    def identity(self, trial: Trial) -> tuple[object, ...]:
        """Return a key that is equal for two trials with the same simulation."""
        if trial not in self._identities:
            self._identities[trial] = self._identity(trial)
        return self._identities[trial]

    def _identity(self, trial: Trial) -> tuple[object, ...]:
        coarse = self.coarse(trial)
        scales = () if self.baseline.hides_host(trial) and coarse.calls_scale == 1.0 else (coarse.copies, coarse.calls)
        one_source = coarse.plan.reads_one_source_a_call()
        state = without_walk(trial.state) if one_source else trial.state
        by_bytes = dict(state.constants).get("refill", self._refill) == "bytes" and not one_source
        state = replace(state, name="")
        window = coarse.slice_scale if by_bytes else 1.0
        return replace(trial, strategy=coarse.strategy, state=state, slices=0), scales, window


def _draw(scenario: Scenario, factor: float, seed: int) -> Draw:
    """What a seed draws, with a factor on all compute times."""
    drawn = draw(scenario, seed)
    if factor == 1.0:
        return drawn
    windows = drawn.windows
    times = {name: factor * getattr(windows, name) for name in ("lead_s", "before_s", "moe_s")}
    return replace(drawn, windows=replace(windows, **times), start_s=factor * drawn.start_s)


def _mean_steps_s(batch: _Batch) -> list[float]:
    """The mean time of a forward step, in seconds, of each draw."""
    scenario, draws = batch
    steps = RepeatedSteps(
        scenario.program,
        scenario.constants,
        scenario.options,
        scenario.workload.pace(),
        ranks=scenario.ranks,
        engine=scenario.engine,
        copies=_AMONG * scenario.copies,
    )
    warmup = scenario.workload.warmup
    return [mean_step_s(steps.run(drawn.windows, drawn.start_s, drawn.seed), warmup) for drawn in draws]
