"""A job's prediction: its timeline, and the summary with the range over rules that nobody has measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dwdp_sim.build import Job
from dwdp_sim.errors import ConfigError
from dwdp_sim.fabric_constants import FabricConstants
from dwdp_sim.iteration_predict import predict_iteration
from dwdp_sim.iteration_results import summarize_iteration
from dwdp_sim.metrics import summarize, unmeasured_rules
from dwdp_sim.simulate import Timeline, simulate


def predict(
    job: Job, progress: Callable[[int, int], None] = lambda done, all_copies: None
) -> tuple[Timeline, dict[str, Any]]:
    """Simulate `job`, and simulate it under every rule nobody has measured if its range is wanted.

    Args:
        job: What to run.
        progress: Called now and then with the number of copies that have arrived, and will have at the end.
    """
    began = time.perf_counter()
    rules = unmeasured_rules(job)
    copies = len(job.program.copy_bytes)
    whole = copies * (1 + len(rules or []))

    def run(number: int, constants: FabricConstants) -> Timeline:
        return simulate(
            job.program,
            constants,
            job.options,
            seed=job.seed,
            progress=lambda finished: progress(number * copies + finished, whole),
        )

    timeline = run(0, job.constants)
    variants = [run(number, rule).stream_elapsed_s for number, rule in enumerate(rules or [], start=1)]
    return timeline, summarize(job, timeline, None if rules is None else variants, time.perf_counter() - began)


def summarize_job(job: Job) -> dict[str, Any]:
    """The summary of any job that has one.

    Raises:
        ConfigError: It is a comparison of many jobs, not one.
    """
    if job.config["workload"]["kind"] == "published":
        raise ConfigError("workload.kind", "published", "it makes a page of its own: run it without results_dir")
    if job.scenario is not None and job.layer is not None:
        return summarize_iteration(job, job.layer, job.scenario, predict_iteration(job, job.scenario))
    return predict(job)[1]
