"""Run many copy programs, side by side where the compiled engine runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from dwdp_sim.base.cores import usable_cores
from dwdp_sim.fabric.engine_choice import objection_to, takes_compiled
from dwdp_sim.fabric.fabric_constants import FabricConstants
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.fabric.workers import workers as pool_of
from dwdp_sim.plan.program import Program


@dataclass(frozen=True)
class SimulationTask:
    """One simulation: the arguments of `simulate`.

    Attributes:
        program: Streams, calls and copies.
        constants: From `constants_for`.
        options: Alternatives of the model.
        seed: Only used by `batch_order` swapped and random.
        record_links: Keep the rates between events.
    """

    program: Program
    constants: FabricConstants
    options: FabricOptions = field(default_factory=FabricOptions)
    seed: int = 0
    record_links: bool = False


def simulate_many(
    tasks: Sequence[SimulationTask],
    *,
    engine: str = "auto",
    workers: int | None = None,
    progress: Callable[[int], None] = lambda finished: None,
) -> list[SimulatedTimeline]:
    """Predict all of `tasks`: the timelines that `simulate` gives for each, in their order.

    Args:
        tasks: What to run.
        engine: As in `engine_choice.takes_compiled`; the copies of all tasks count together. The answers are the same.
        workers: Threads for the compiled engine; one a core when unset. SimPy runs one task after another.
        progress: Called now and then, in this thread, with the number of copies that have arrived, of all tasks.

    Raises:
        ConfigError: The compiled engine is asked for and cannot run one of them.
    """
    return list(simulate_each(tasks, engine=engine, workers=workers, progress=progress))


def simulate_each(
    tasks: Sequence[SimulationTask],
    *,
    engine: str = "auto",
    workers: int | None = None,
    progress: Callable[[int], None] = lambda finished: None,
) -> Iterator[SimulatedTimeline]:
    """Yield the timelines of `simulate_many` as they come, for those who need not keep them all."""
    chosen = engine_for(tasks, engine)
    count = min(workers or usable_cores(), max(len(tasks), 1)) if chosen == "compiled" else 1
    done = 0
    with pool_of(count, threads=True) as pool:
        later = None if pool is None else pool.map(partial(_run, chosen), tasks)
        for task in tasks:
            timeline = next(later) if later is not None else _run(chosen, task, _after(done, progress))
            done += len(task.program.copy_bytes)
            progress(done)
            yield timeline


def engine_for(tasks: Sequence[SimulationTask], engine: str = "auto", among: int = 1) -> str:
    """Return the engine that runs all of `tasks`: `simpy` or `compiled`.

    Args:
        tasks: What will run.
        engine: As of `simulate_many`.
        among: How many times as much the process simulates, about: with `auto`, the copies of all of it count.

    Raises:
        ConfigError: The compiled engine is asked for and cannot run one of them.
    """
    copies = among * sum(len(task.program.copy_bytes) for task in tasks)
    objection = next(filter(None, (objection_to(task.program) for task in tasks)), "")
    return "compiled" if takes_compiled(engine, copies, objection) else "simpy"


def _run(
    engine: str, task: SimulationTask, progress: Callable[[int], None] = lambda finished: None
) -> SimulatedTimeline:
    return simulate(
        task.program,
        task.constants,
        task.options,
        seed=task.seed,
        record_links=task.record_links,
        engine=engine,
        progress=progress,
    )


def _after(done: int, progress: Callable[[int], None]) -> Callable[[int], None]:
    return lambda finished: progress(done + finished)
