"""`dwdp-tune`: find the best strategy parameters for a workload, and say what to paste."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dwdp_sim.build import Job, build_config
from dwdp_sim.compose import run_app
from dwdp_sim.errors import ConfigError
from dwdp_sim.files import write_whole
from dwdp_sim.predict import summarize_job
from dwdp_sim.tune.config import TuneTree, register_tune_schemas
from dwdp_sim.tune.objective import check_objective, value_s
from dwdp_sim.tune.print import print_trials
from dwdp_sim.tune.search import Choice, Trial, alike, choices, search

_QUIET_S = 2.0  # anything shorter needs no progress line


def main() -> None:
    """Entry point of `dwdp-tune`."""
    register_tune_schemas()
    run_app("tune", TuneTree, _check, _task)


def _check(composed: DictConfig, overrides: Sequence[str]) -> TuneTree:
    config = cast(TuneTree, OmegaConf.to_object(composed))
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key.split(".")[0] == "strategy" and key != "strategy.implementation":
            raise ConfigError(key, value, "dwdp-tune chooses it; tune.strategies, tune.slice_bytes say from what")
    if config.results_dir is not None:
        raise ConfigError("results_dir", config.results_dir, "only dwdp-sim -m writes rows")
    check_objective(config)
    if config.tune.trials < 1:
        raise ConfigError("tune.trials", config.tune.trials, "at least 1 is wanted")
    for choice in choices(config.tune):
        build_job_of(config, choice, overrides)
    return config


def build_job_of(config: TuneTree, choice: Choice, overrides: Sequence[str], with_range: bool = True) -> Job:
    """The job of one choice.

    Args:
        config: Everything else.
        choice: The strategy.
        overrides: The command line's.
        with_range: Whether every hypothesis is run, too, where the configuration says so.
    """
    one = copy.deepcopy(config)
    one.strategy = choice.apply(one.strategy)
    one.workload.range = one.workload.range and with_range
    return build_config(one, overrides)


def _task(composed: DictConfig) -> None:
    state = HydraConfig.get()
    tune(_check(composed, state.overrides.task), state.overrides.task, Path(state.runtime.output_dir), Console())


def tune(config: TuneTree, overrides: Sequence[str], folder: Path, console: Console) -> None:
    """Search, write `tune.json` into `folder`, and print the best choices."""
    needs_range = config.tune.objective == "worst"

    def measure(choice: Choice) -> float:
        return value_s(summarize_job(build_job_of(config, choice, overrides, needs_range)), config)

    with _counted(console, min(config.tune.trials, len(choices(config.tune))), measure) as counted:
        trials = search(config.tune, config.seed, counted)
    best = summarize_job(build_job_of(config, alike(trials)[0].choice, overrides))
    content = _content(config, overrides, trials, best)
    written = write_whole(folder / "tune.json", lambda path: path.write_text(json.dumps(content, indent=2) + "\n"))
    print_trials(console, config, overrides, trials, best, written)


def _content(
    config: TuneTree, overrides: Sequence[str], trials: Sequence[Trial], best: dict[str, Any]
) -> dict[str, Any]:
    return {
        "objective": config.tune.objective,
        "overrides": list(overrides),
        "trials": [{**asdict(trial.choice), "value_s": trial.value_s} for trial in trials],
        "best": best,
    }


@contextmanager
def _counted(console: Console, most: int, measure: Callable[[Choice], float]) -> Iterator[Callable[[Choice], float]]:
    """`measure` with a progress line that appears after two seconds, on a terminal only."""
    columns = (TextColumn("tuning"), BarColumn(), MofNCompleteColumn(), TextColumn("trials"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("tuning", total=most, visible=False)
        began = time.monotonic()

        def counted(choice: Choice) -> float:
            value = measure(choice)
            progress.update(bar, advance=1, visible=time.monotonic() - began > _QUIET_S)
            return value

        yield counted
