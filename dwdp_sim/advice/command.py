"""What `dwdp-advise` does once it is not asked for help: check the configuration, then advise or draw the map."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.console import Console

from dwdp_sim.advice.advice import (
    answers,
    check_advisable,
    current_candidate,
    effort_of,
    kinds_also_compared,
    possible_states,
    telling_states,
)
from dwdp_sim.advice.advice_json import advice_content, map_content
from dwdp_sim.advice.config import AdviseTree, register_advise_schemas
from dwdp_sim.advice.gain_map import map_gain, places_of
from dwdp_sim.advice.print_advice import print_advice
from dwdp_sim.advice.provenance import evidence
from dwdp_sim.advice.trial import Baseline
from dwdp_sim.advice.trials import Trials
from dwdp_sim.advice.verdict import verdict
from dwdp_sim.advice.window_ratio import measure_load
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.cores import usable_cores
from dwdp_sim.base.terminal import TextConsole, print_file, progress_line, say
from dwdp_sim.base.units import parse_seconds
from dwdp_sim.fabric.engine_choice import engine_lacking, takes_many_compiled
from dwdp_sim.fabric.workers import workers
from dwdp_sim.job.build import build_run
from dwdp_sim.job.config_values import read_values
from dwdp_sim.job.hydra_app import run_app
from dwdp_sim.job.job import CheckedRun, StepsJob
from dwdp_sim.job.json_output import refuse_sweep_as_json
from dwdp_sim.job.overridden import overridden_content, overridden_lines
from dwdp_sim.results.tables import files_line
from dwdp_sim.results.titles import in_title


@dataclass(frozen=True)
class Question:
    """The job that the user runs, and the comparison that is asked for."""

    config: AdviseTree
    run: CheckedRun
    job: StepsJob


def run(began: float) -> None:
    """Answer the question of the command line, of a command that began then, in seconds of `time.monotonic`."""
    register_advise_schemas()
    run_app("advise", AdviseTree, _build, partial(_task, began), refuse_sweep_as_json)


def _build(composed: DictConfig, overrides: Sequence[str]) -> Question:
    config: AdviseTree = read_values(composed)
    run = build_run(config, overrides)
    return Question(config, run, check_advisable(run.job, config))


def _task(began: float, question: Question, folder: Path) -> None:
    if question.config.advise.show == "map":
        run_map(question, folder, TextConsole())
    else:
        alone = HydraConfig.get().mode is RunMode.RUN
        run_advice(question, folder, TextConsole(), began if alone else time.monotonic())


def run_advice(question: Question, folder: Path, console: Console, began: float) -> None:
    """Find the advice, in the time that there is from `began` on, write it into `folder` and print it.

    Each answer on the way is one sentence on standard error: on a terminal it stands above the progress line and gives
    way to the next; elsewhere it is a line, but only under a time limit, since without one nobody has to decide early.
    """
    config, job = question.config, question.job
    within, errors, sentence = config.advise.within, TextConsole(stderr=True), [""]
    ends_at = math.inf if within is None else began + parse_seconds(within, "advise.within")
    with (
        progress_line(errors, "runs", elapsed=True, above=lambda: sentence[0]) as show,
        _pool(config) as pool,
    ):
        for advice in answers(job, effort_of(config), kinds_also_compared(config), pool, show, ends_at):
            sentence[0] = " ".join(verdict(advice.findings, advice.own))
            if within is not None and not errors.is_terminal and advice.findings.missing:
                say(errors, f"after {time.monotonic() - began:.1f} s: {sentence[0]}")
    found = evidence(Baseline.of(job), current_candidate(job))
    content = advice_content(job, question.run.config_hash, advice, found) | engine_lacking()
    content |= overridden_content(question.run.overridden)
    settings = yaml.safe_dump(question.run.config, sort_keys=False, allow_unicode=True)
    written = [
        write_whole(folder / "config.yaml", lambda path: path.write_text(settings)),
        write_whole(folder / "advice.json", lambda path: path.write_text(json.dumps(content, indent=2) + "\n")),
    ]
    if config.json:
        print_file(written[-1])
    else:
        print_advice(console, job, advice, found, written)
        for line in overridden_lines(question.run.overridden):
            say(console, line)


def _pool(config: AdviseTree) -> AbstractContextManager[Executor | None]:
    """Where trials run; no result depends on it."""
    return workers(config.workers or usable_cores(), threads=takes_many_compiled(config.engine))


def run_map(question: Question, folder: Path, console: Console) -> None:
    """Draw the gain of batching over window and variation into `folder`."""
    from dwdp_sim.advice.gain_map_figure import draw_map  # noqa: PLC0415 - Matplotlib, which an advice needs not

    config, job = question.config, question.job
    baseline = Baseline.of(job)
    seeds = range(config.seed, config.seed + config.workload.replications)
    current = current_candidate(job)
    load = measure_load(baseline, current.strategy, seeds)
    size = baseline.placement.dwdp_size
    states = telling_states(possible_states(baseline, current))
    places = places_of(config.advise.map_ratios, config.advise.map_variations)
    with (
        progress_line(TextConsole(stderr=True), "runs", elapsed=True) as show,
        _pool(config) as pool,
    ):
        runner = Trials(baseline, pool, partial(show, "map"))
        points = map_gain(runner, current, load, places, states, config.advise.screen_layers, seeds)
    machine = f"{in_title(baseline.model.name)} on {in_title(baseline.cluster.name)}"
    title = f"{machine}, N = {size}, {current.strategy.implementation}"
    content = json.dumps(map_content(job, question.run.config_hash, points, load), indent=2) + "\n"
    written = [
        write_whole(folder / "map.png", lambda path: draw_map(path, title, points, load)),
        write_whole(folder / "map.json", lambda path: path.write_text(content)),
    ]
    if config.json:
        print_file(written[-1])
        return
    console.print(f"{title}: yours is {load.ratio:.2f} × its uncontended prefetch, steps vary by {100 * load.cv:.0f} %")
    say(console, files_line(written), dim=True)
