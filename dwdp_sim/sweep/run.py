"""Run one sweep, from its command line to its rows."""

from __future__ import annotations

import argparse
import socket
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.console import Console

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.terminal import TextConsole, say
from dwdp_sim.job.compose import check_overrides, compose, search_path
from dwdp_sim.job.config_files import config_folders
from dwdp_sim.job.multirun import combinations
from dwdp_sim.job.schema import SimConfig
from dwdp_sim.sweep import private_folder
from dwdp_sim.sweep.claims import attempts, claim, is_held
from dwdp_sim.sweep.compact import compacted_jobs
from dwdp_sim.sweep.compose_many import Composer
from dwdp_sim.sweep.jobs import Asked, asked_jobs
from dwdp_sim.sweep.jobs_file import write_jobs
from dwdp_sim.sweep.launchers import HydraLauncher
from dwdp_sim.sweep.progress import progress, working
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import reason_in
from dwdp_sim.sweep.schedule import discard, discard_broken, discard_stale_claims, run_rounds
from dwdp_sim.sweep.worker import Worker

_FAILED = 1
_MOST_REASONS = 10


def run(config_name: str, line: argparse.Namespace, folder: Folder, sweep: str) -> int:
    """Run the jobs that have no rows yet, and say what happened.

    Args:
        config_name: Primary configuration.
        line: The command line.
        folder: Where rows go.
        sweep: Name of this sweep.

    Returns:
        Exit code: 1 if jobs failed, else 0.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: The command line is wrong; nothing has been written.
        SweepStopped: The sweep cannot go on.
        OSError: The folder cannot be written.
    """
    parsed = OverridesParser.create().parse_overrides(line.overrides)
    for_hydra = [text for text, one in zip(line.overrides, parsed, strict=True) if one.is_hydra_override()]
    for_jobs = [text for text in line.overrides if text not in for_hydra]
    folders = config_folders(line)
    launcher = HydraLauncher(config_name, folders[0], [*for_hydra, *search_path(folders)], folder.launcher)
    with working("composing the jobs"):
        jobs = jobs_of(config_name, for_jobs, folders)
    began = time.monotonic()
    how = jobs[0].config.sweep
    console = TextConsole(quiet=how.quiet)
    finished = {asked.job for asked in jobs} & compacted_jobs(folder)
    complete, broken = discard_broken(folder, {asked.job for asked in jobs} - finished)
    finished |= complete
    say(console, f"{folder.path}: {len(finished)} of {len(jobs)} jobs are finished and skipped")
    if broken:
        say(console, f"{broken} damaged {'file is' if broken == 1 else 'files are'} replaced")
    pending = [asked for asked in jobs if asked.job not in finished]
    pending.sort(key=lambda asked: bool(attempts(folder.claim(asked.job))))  # last those that killed a worker before
    jobs_file, alive = folder.launcher / f"{sweep}.jobs", folder.launcher / f"{sweep}.alive"
    folder.remove_leftovers()
    _remove_what_killed_sweeps_left(folder.launcher)

    def launch(sha256: str, suspect: str | None) -> list[str]:
        workers = how.workers or launcher.default_workers()
        count = 1 if suspect or launcher.is_basic else min(workers, len(pending))
        worker = Worker(
            folder, jobs_file, sha256, sweep, how.attempts, suspect, Path.cwd(), alive, socket.gethostname()
        )
        return launcher.launch(worker, count)

    with claim(alive), progress(console, folder, [asked.job for asked in pending]):
        try:
            sha256 = write_jobs(jobs_file, pending)
            run_rounds(folder, [asked.job for asked in pending], sweep, partial(launch, sha256))
        finally:
            jobs_file.unlink(missing_ok=True)
    discard_stale_claims(folder)
    folder.remove_leftovers()
    return _report(console, folder, pending, time.monotonic() - began)


def jobs_of(config_name: str, overrides: Sequence[str], folders: Sequence[str]) -> list[Asked]:
    """Return all jobs of a sweep, in order.

    Args:
        config_name: Primary configuration.
        overrides: Without those of Hydra's own node.
        folders: Where configuration files are.
    """
    check_overrides(overrides, SimConfig, folders)
    first = [*combinations(overrides, folders)[0], *search_path(folders)]
    with hydra.initialize_config_dir(folders[0], version_base="1.3"):
        params = hydra.compose(config_name, first, return_hydra_config=True).hydra.sweeper.params
    of_experiment = [f"{key}={value}" for key, value in (params or {}).items()]
    lists = combinations([*of_experiment, *overrides], folders)
    if len({text for texts in lists for text in texts if text.startswith("+experiment=")}) > 1:
        raise ConfigError("experiment", "several", "one experiment at a time: each names its own sweep")
    composer = Composer(lambda texts: compose(config_name, SimConfig, texts, folders), [Path(one) for one in folders])
    return asked_jobs(composer, lists)


def _remove_what_killed_sweeps_left(launcher: Path) -> None:
    for left in launcher.glob("*.alive"):
        if not is_held(left):
            left.with_suffix(".jobs").unlink(missing_ok=True)
            private_folder.remove(left.stem)
            discard(left)


def _report(console: Console, folder: Folder, pending: Sequence[Asked], elapsed_s: float) -> int:
    failures = [folder.failure(asked.job) for asked in pending if not folder.rows(asked.job).exists()]
    reasons = Counter(map(reason_in, failures))
    if pending:
        rate = len(pending) / elapsed_s
        say(console, f"{len(pending)} ran in {elapsed_s:.1f} s ({rate:.1f} a second), {len(failures)} failed")
    for reason, count in reasons.most_common(_MOST_REASONS):
        print(f"failed: {count} × {reason}", flush=True)
    if len(reasons) > _MOST_REASONS:
        print(f"… and {len(reasons) - _MOST_REASONS} more reasons: they are rows with status = 'failed'", flush=True)
    return _FAILED if failures else 0
