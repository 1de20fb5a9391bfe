"""Run a calibration or a validation and write its files."""

from __future__ import annotations

import itertools
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from rich.console import Console

from dwdp_hw.calibration.calibrate import Calibration, calibrate, fitted_rows, write_cluster
from dwdp_hw.cases.incast import incast_cases
from dwdp_hw.job.schema import Cases
from dwdp_hw.rows.recording import Recording, pool
from dwdp_hw.run.expectations import expect_all
from dwdp_hw.validation.arrivals import one_of_each_strategy, timelines_trace
from dwdp_hw.validation.check_job import CheckJob
from dwdp_hw.validation.comparison import LAYER
from dwdp_hw.validation.console import print_calibration, print_rules, print_validation
from dwdp_hw.validation.incast_sections import incast_sections
from dwdp_hw.validation.live import (
    calibration_cases,
    measure,
    measure_rounds,
    relative_cost_cases,
    shrink_of,
    validation_cases,
)
from dwdp_hw.validation.report import Subject, html_report, markdown_report
from dwdp_hw.validation.rule_scores import read_outcome
from dwdp_hw.validation.suspects import find_suspects
from dwdp_hw.validation.validate import Validation, validate
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.terminal import progress_line

PREDICTIONS = "predictions.json"


def run_calibration(job: CheckJob, folder: Path, console: Console) -> Calibration:
    """Fit the cluster's constants and write them as a cluster file."""
    if job.recordings:
        found = _calibrate(job.recordings, job, job.use, console)
    else:
        found = _calibrate([_measure_calibration(job, folder)], job, "all", console)
    path = write_cluster(job.out or folder / f"{job.name}.yaml", found)
    write_whole(folder / "calibration.json", lambda t: t.write_text(json_rows(found.as_dict()), encoding="utf-8"))
    print_calibration(console, found, path)
    return found


def _calibrate(recordings: Sequence[Recording], job: CheckJob, use: str, console: Console) -> Calibration:
    """Fit, with a line on a terminal that counts the rows as they are predicted again and again."""
    counted = itertools.count(1)
    with progress_line(console, "predictions", elapsed=True) as show:
        return calibrate(
            recordings, job.cluster, job.options, name=job.name, use=use, told=lambda: show("fitting", next(counted))
        )


def _measure_calibration(job: CheckJob, folder: Path) -> Recording:
    """Measure the rows of a live calibration."""
    shrink = shrink_of(job.settings)
    return measure_rounds(
        calibration_cases(job.gpus, shrink),
        job.gpus,
        job.settings,
        folder / "calibration_rows.json",
        rounds=job.rounds,
        seed=job.seed,
        note="calibration",
        limit_s=job.limit_s,
        relative=relative_cost_cases(job.gpus, shrink),
    )


def run_validation(job: CheckJob, folder: Path, console: Console) -> Validation:
    """Predict, compare, and write the report; the predictions of live rows are written before anything is measured."""
    recordings = list(job.recordings) or [_measure_live(job, folder)]
    written = folder / PREDICTIONS
    outcome = None if job.recordings or job.cases is Cases.validation else read_outcome(written, recordings[0].path)
    fitted = fitted_rows(recordings, job.cluster)
    validation = validate(recordings, job.cluster, job.options, fitted, job.bars)
    rows = pool(recordings)
    missed = not validation.passed and any(row.counts for row in validation.rows)
    suspects = find_suspects(rows, job.cluster, job.options) if missed else []
    subject = Subject(
        cluster=job.cluster,
        sources=[recording.path for recording in recordings],
        machine=recordings[0].machine,
        versions=_versions(),
        suspects=suspects,
        timelines=one_of_each_strategy(rows, job.cluster, job.options),
        extra=[] if outcome is None else incast_sections(outcome, [r for r in validation.rows if r.measure == LAYER]),
    )
    if outcome is not None:
        chosen = json_rows([asdict(score) for score in outcome.scores], levels=1)
        write_whole(folder / "rules.json", lambda t: t.write_text(chosen, encoding="utf-8"))
        print_rules(console, outcome)
    if subject.timelines:
        trace = json.dumps(timelines_trace(subject.timelines)) + "\n"
        write_whole(folder / "timelines.json", lambda t: t.write_text(trace, encoding="utf-8"))
    write_whole(folder / "report.html", lambda t: t.write_text(html_report(validation, subject), encoding="utf-8"))
    write_whole(folder / "report.md", lambda t: t.write_text(markdown_report(validation, subject), encoding="utf-8"))
    text = json_rows(validation.as_dict())
    write_whole(folder / "validation.json", lambda t: t.write_text(text, encoding="utf-8"))
    print_validation(console, validation, suspects, folder / "report.html")
    return validation


def _measure_live(job: CheckJob, folder: Path) -> Recording:
    """Write what is expected, then measure."""
    incast, shrink = job.cases is Cases.incast, shrink_of(job.settings)
    blocks = incast_cases(job.gpus, shrink) if incast else [validation_cases(job.gpus, shrink)]
    cases = [case for block in blocks for case in block]
    every = incast and job.every_rule
    expected = expect_all(cases, job.cluster, job.options, every=every, processes=job.workers if every else 1)
    found = {case: [one.as_dict() for one in under] for case, under in expected.items()}
    text = json_rows(found, levels=1)
    write_whole(folder / PREDICTIONS, lambda t: t.write_text(text, encoding="utf-8"))
    path = folder / "validation_rows.json"
    note = job.cases.value
    if incast:  # its limit is for one pass over many cases
        return measure(blocks, job.gpus, job.settings, path, seed=job.seed, note=note, limit_s=job.limit_s)
    return measure_rounds(
        cases, job.gpus, job.settings, path, rounds=job.rounds, seed=job.seed, note=note, limit_s=job.limit_s
    )


def _versions() -> dict[str, str]:
    names = ("dwdp-toolkit", "simpy", "numpy", "scipy")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a source tree without installation
            found[name] = "not installed"
    return found
