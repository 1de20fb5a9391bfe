"""Estimate what a run will take before it starts, from counts alone, and refuse what is beyond the limits."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.base.cores import usable_cores
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import format_bytes, format_seconds, parse_bytes
from dwdp_sim.fabric.engine_choice import objection_to, takes_compiled
from dwdp_sim.fabric.hypotheses import hypotheses
from dwdp_sim.job.job import Job, StepsJob
from dwdp_sim.job.schema import LimitsConfig, SimConfig
from dwdp_sim.plan.program import Program
from dwdp_sim.steps.requests import RequestLoad

# What things take on a slow core, rounded up from docs/speed.md and from whole runs.
_COMPILED_S = 2e-6  # a simulated copy
SIMPY_S = 10e-6  # a simulated copy, for each stream of the program
_SHOWN_S, _SHOWN_BYTES = 30e-6, 1600  # a copy in the files of a run: rows, trace, picture
_SIMULATED_BYTES = 300  # a copy of a simulation that is running
_DRAWN_S, _CHUNK_S, _CHUNK_BYTES = 1e-3, 5e-6, 150  # a step's windows; a part of a request in a step
_LAYER_BYTES, _LAYER_SHOWN_BYTES = 250, 2000  # of a rank's layer in a step: of each seed; in the files of a run
IDLE_BYTES = 300_000_000
_MOST_RANGE_DRAWS = 3  # of the starts, for each hypothesis; fewer where a draw takes many copies
_RANGE_COPIES = 40_000
_LESS_STEPS = "fewer workload.replications or workload.iterations, or workload.range=false"


@dataclass(frozen=True)
class Work:
    """What a run takes, about.

    Attributes:
        of: What there is so much of, for the message.
        time_s: Seconds.
        memory_bytes: Bytes at most.
        less: What would make it smaller.
    """

    of: str
    time_s: float
    memory_bytes: float
    less: str


def check_work(work: Work, limits: LimitsConfig) -> None:
    """Refuse a run that is beyond a limit.

    Raises:
        ConfigError: It is, or a limit is none; the message has the estimate.
    """
    most_bytes = parse_bytes(limits.memory, "limits.memory")
    if not limits.time_s > 0:
        raise ConfigError("limits.time_s", limits.time_s, "seconds above zero are wanted")
    advice = f"{work.less} make it smaller, or raise the limit"
    if work.memory_bytes > most_bytes:
        needed = f"about {format_bytes(work.memory_bytes)} would be needed for {work.of}"
        raise ConfigError("limits.memory", limits.memory, f"{needed}; {advice}")
    if work.time_s > limits.time_s:
        needed = f"about {format_seconds(work.time_s)} would be needed for {work.of}"
        raise ConfigError("limits.time_s", limits.time_s, f"{needed}; {advice}")


def work_of_drawing(load: RequestLoad, ranks: int, steps: int, replications: int, layers: int) -> Work:
    """What the requests and compute windows of forward steps take, which are drawn while a job is built.

    Args:
        load: Which requests arrive.
        ranks: Of the group.
        steps: Of a rank, those that do not count included.
        replications: Seeds.
        layers: MoE layers.
    """
    mean = sum(load.lengths) / len(load.lengths) if load.lengths else load.isl * (1.0 + load.ratio) / 2
    chunks = ranks * steps * replications * (1.0 + load.max_num_tokens / mean)
    rows = ranks * steps * layers
    return Work(
        f"{chunks:,.0f} requests in {ranks * steps * replications:,} steps of {layers} layers",
        time_s=chunks * _CHUNK_S + ranks * steps * replications * _DRAWN_S,
        memory_bytes=IDLE_BYTES + chunks * _CHUNK_BYTES + rows * (replications * _LAYER_BYTES + _LAYER_SHOWN_BYTES),
        less="longer inputs, a smaller workload.max_num_tokens, fewer workload.replications or workload.iterations",
    )


def work_of(job: Job, config: SimConfig) -> Work:
    """What the prediction of a job takes.

    Args:
        job: What runs.
        config: The resolved configuration that it was made from.
    """
    workload = config.workload
    states = len(hypotheses(job.cluster, job.options)) if workload.range else 0
    if isinstance(job, StepsJob):
        layers = job.scenario.copies // len(job.program.copy_bytes)
        transfers = job.scenario.copies * (workload.replications + 1)
        if states:
            transfers += states * layers * len(job.coarse.program.copy_bytes)
        runs = workload.replications + states
        return _simulated(job.program, transfers, runs, config, job.scenario.engine, _LESS_STEPS)
    copies, draws = len(job.program.copy_bytes), len(job.starts_s)
    runs = draws + 1 + states * range_draws(copies, draws)
    less = "larger slices, fewer workload.draws, or workload.range=false"
    work = _simulated(job.program, runs * copies, runs, config, job.engine, less)
    return Work(work.of, work.time_s + copies * _SHOWN_S, work.memory_bytes + copies * _SHOWN_BYTES, less)


def range_draws(copies: int, draws: int) -> int:
    """How many of a layer's or replay's `draws` run under each hypothesis; `copies` is what one takes."""
    return min(draws, _MOST_RANGE_DRAWS, max(_RANGE_COPIES // max(copies, 1), 1))


def _simulated(program: Program, transfers: int, runs: int, config: SimConfig, engine: str, less: str) -> Work:
    """What simulations of a program take, so many of them side by side as there are workers."""
    compiled = takes_compiled(engine, transfers, objection_to(program))
    each_s = _COMPILED_S if compiled else SIMPY_S * len(program.stream_gpu)
    beside = min(config.workers or usable_cores(), runs)
    memory = IDLE_BYTES + beside * len(program.copy_bytes) * _SIMULATED_BYTES
    return Work(f"{transfers:,} simulated copies", transfers * each_s / beside, memory, less)
