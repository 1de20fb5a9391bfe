"""What `dwdp-hw` does once it is not asked for help: check the configuration, then measure, compare or import.

What only one kind of job needs is loaded with it: a mistake is then told, and a measurement begins, in half the time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from dwdp_hw.cases.case import Case
from dwdp_hw.cases.result import RankResult
from dwdp_hw.job.measurement import Measurement, build_measurement
from dwdp_hw.job.schema import HwConfig, Mode, register_hw_schemas
from dwdp_hw.job.windows import WindowsJob, build_windows_job, measure_windows
from dwdp_hw.record.reading import holds_records
from dwdp_hw.record.record_job import RecordJob, build_record_job
from dwdp_hw.run.launch import run_as_rank, run_group, started_by_torchrun
from dwdp_hw.run.worker import Work
from dwdp_hw.traces.importing import ImportJob, build_import
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.terminal import TextConsole, progress_line
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_folders
from dwdp_sim.job.hydra_app import find_models, one_line_errors, run_app
from dwdp_sim.job.hydra_flags import read_command_line

if TYPE_CHECKING:
    from dwdp_hw.validation.check_job import CheckJob

    Job = Measurement | WindowsJob | CheckJob | ImportJob | RecordJob


def run() -> None:
    """Run the job of the command line."""
    register_hw_schemas()
    if started_by_torchrun() and os.environ["RANK"] != "0":
        _run_beside_rank_0()
    else:
        run_app("hw", HwConfig, _build, _task)


def _build(composed: DictConfig, overrides: Sequence[str]) -> Job:
    if composed.json:
        raise ConfigError("json", "true", "dwdp-hw prints for people; summary.json in the run's folder is for programs")
    if composed.mode is Mode["import"]:
        return build_record_job(composed, overrides) if holds_records(composed.trace) else build_import(composed)
    if composed.mode is Mode.windows:
        return build_windows_job(composed, overrides)
    if composed.mode is Mode.measure:
        return build_measurement(composed, overrides)
    from dwdp_hw.validation.check_job import build_check  # noqa: PLC0415 - SciPy takes longer than all else

    return build_check(composed)


def _run_beside_rank_0() -> None:
    """Check the command line and take part in the measurement as any other rank; only rank 0 writes and prints."""
    line = read_command_line(sys.argv[1:])
    if line.help or line.hydra_help or line.version or line.shell_completion or line.cfg or line.info:
        return
    with one_line_errors(HwConfig):
        line = find_models(line)
        config = compose(line.config_name or "hw", HwConfig, line.overrides, config_folders(line))
        job = _build(config, line.overrides)
        if isinstance(job, Measurement):
            run_as_rank(Work((job.case,), job.settings), lambda case, results: None)


def _task(job: Job, folder: Path) -> None:
    match job:
        case ImportJob():
            from dwdp_hw.traces.report import run_import  # noqa: PLC0415

            run_import(job, folder, TextConsole())
        case RecordJob():
            from dwdp_hw.record.report import run_record  # noqa: PLC0415

            run_record(job, folder, TextConsole())
        case WindowsJob():
            time_windows(job, folder, TextConsole())
        case Measurement():
            measure(job, folder, TextConsole())
        case _:
            from dwdp_hw.check_command import check  # noqa: PLC0415

            check(job, folder, TextConsole())


def time_windows(job: WindowsJob, folder: Path, console: Console) -> None:
    """Write what the tables say, measure the windows, write them into `folder` and print them."""
    from dwdp_hw.job.windows_report import print_windows, write_expected, write_windows  # noqa: PLC0415 - PyArrow

    expected = job.expected()
    write_expected(folder, job, expected)
    with progress_line(console, "layers") as show:
        measured = measure_windows(job, show)
    summary = write_windows(folder, job, expected, measured)
    print_windows(console, job, expected, measured, summary, folder)


def measure(measurement: Measurement, folder: Path, console: Console) -> None:
    """Run `measurement`, write its results into `folder` and print them."""
    from dwdp_hw.job.measurement_report import print_measurement, write_measurement  # noqa: PLC0415 - PyArrow

    work = Work((measurement.case,), measurement.settings)

    def keep(case: Case, results: list[RankResult]) -> None:
        summary = write_measurement(folder, measurement, results)
        print_measurement(console, measurement, summary, folder)

    if started_by_torchrun():
        run_as_rank(work, keep)
    else:
        run_group(work, measurement.group_size, keep)
