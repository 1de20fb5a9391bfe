"""Run a calibration or a validation, write its files and say what came out."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.check.calibrate import Calibration, calibrate, write_cluster
from dwdp_hw.check.design import calibration_rows
from dwdp_hw.check.job import CheckJob
from dwdp_hw.check.live import calibration_cases, measure, validation_cases
from dwdp_hw.check.report import Subject, html_report, markdown_report
from dwdp_hw.check.suspects import find_suspects
from dwdp_hw.check.timelines import one_of_each_strategy, timelines_trace
from dwdp_hw.check.validate import Validation, summarize, validate
from dwdp_hw.expectation import expected_s
from dwdp_sim.cluster import Cluster
from dwdp_sim.recorded import RecordedRow, Recording, pool
from dwdp_sim.results import write_whole

_TIGHT = 0.02  # relative half width of the intervals of rates at which a live calibration stops


def run_calibration(job: CheckJob, folder: Path, console: Console) -> Calibration:
    """Fit the cluster's constants and write them as a cluster file."""
    if job.recordings:
        found = calibrate(job.recordings, job.cluster, job.options, name=job.name, use=job.use)
    else:
        found = _calibrate_live(job, folder, console)
    path = write_cluster(job.out or folder / f"{job.name}.yaml", found)
    write_whole(folder / "calibration.json", lambda t: t.write_text(json.dumps(_as_dict(found), indent=2) + "\n"))
    _print_calibration(console, found, path)
    return found


def _calibrate_live(job: CheckJob, folder: Path, console: Console) -> Calibration:
    """Rounds of the design until the rates are known well enough."""
    recordings: list[Recording] = []
    for number in range(job.rounds):
        path = folder / f"calibration_rows_{number}.json"
        recordings.append(measure(calibration_cases(job.gpus), job.gpus, path, job.seed + number, "calibration"))
        found = calibrate(recordings, job.cluster, job.options, name=job.name, use="all")
        widest = max((e.high - e.low) / 2 / e.value for e in found.fit.estimates if e.parameter.name.endswith("rate"))
        console.print(f"round {number + 1}: rate known to ± {widest:.1%}", highlight=False)
        if widest <= _TIGHT:
            break
    return found


def run_validation(job: CheckJob, folder: Path, console: Console) -> Validation:
    """Predict, compare, and write the report; the predictions of live rows are written before anything is measured."""
    recordings = list(job.recordings)
    if not recordings:
        cases = validation_cases(job.gpus)
        expected = {case.name: expected_s(case, job.cluster) for case in cases}
        write_whole(folder / "predictions.json", lambda t: t.write_text(json.dumps(expected, indent=1) + "\n"))
        recordings = [measure(cases, job.gpus, folder / "validation_rows.json", job.seed, "validation")]
    rows = pool(recordings)
    validation = validate(rows, job.cluster, job.options, fitted_cases(recordings, job.cluster), job.bars)
    suspects = [] if validation.passed else find_suspects(rows, job.cluster, job.options)
    subject = Subject(
        cluster=job.cluster,
        sources=[recording.path for recording in recordings],
        machine=recordings[0].machine,
        versions=_versions(),
        suspects=suspects,
        timelines=one_of_each_strategy(rows, job.cluster, job.options),
    )
    if subject.timelines:
        trace = json.dumps(timelines_trace(subject.timelines)) + "\n"
        write_whole(folder / "timelines.json", lambda t: t.write_text(trace, encoding="utf-8"))
    write_whole(folder / "report.html", lambda t: t.write_text(html_report(validation, subject), encoding="utf-8"))
    write_whole(folder / "report.md", lambda t: t.write_text(markdown_report(validation, subject), encoding="utf-8"))
    text = json.dumps(validation.as_dict(), indent=1) + "\n"
    write_whole(folder / "validation.json", lambda t: t.write_text(text))
    _print_validation(console, validation, subject, folder)
    return validation


def fitted_cases(recordings: list[Recording], cluster: Cluster) -> set[str]:
    """Cases of these files on which the cluster was fitted: files are known by their contents."""
    uses = {entry["sha256"]: entry["use"] for entry in cluster.fitted_on}
    fitted: set[str] = set()
    for recording in recordings:
        rows: list[RecordedRow] = list(recording.rows)
        if uses.get(recording.sha256) == "design":
            rows = calibration_rows(rows)
        elif recording.sha256 not in uses:
            rows = []
        fitted |= {row.case for row in rows}
    return fitted


def _as_dict(found: Calibration) -> dict[str, Any]:
    return {
        "schema": 1,
        "cluster": found.cluster.name,
        "estimates": [
            {"name": e.parameter.name, "value": e.value, "low": e.low, "high": e.high} for e in found.fit.estimates
        ],
        "not_determined": found.fit.undetermined,
        "not_told_apart": found.fit.not_apart,
        "noise": found.fit.noise,
        "log_likelihood_of_alternatives": found.evidence,
        "rows": [row.case for row in found.rows],
    }


def _print_calibration(console: Console, found: Calibration, path: Path) -> None:
    table = Table(
        title=f"{found.cluster.description}: {len(found.rows)} rows", title_justify="left", box=box.SIMPLE_HEAD
    )
    for heading in ("constant", "value", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "constant" else "right")
    for e in found.fit.estimates:
        table.add_row(e.parameter.name, f"{e.value:.5g}", f"{e.low:.5g} – {e.high:.5g}")
    console.print(table)
    for first, second in found.fit.not_apart:
        console.print(f"cannot be told apart by these rows: {first} and {second}", highlight=False)
    if found.fit.undetermined:
        console.print(f"not determined, kept: {', '.join(found.fit.undetermined)}", highlight=False)
    for rule, gain in found.evidence.items():
        verdict = "better" if gain > 2 else "worse" if gain < -2 else "undecided"
        console.print(f"fabric.{rule}: log likelihood {gain:+.1f}, {verdict}", highlight=False)
    console.print(f"[dim]written to {path}[/dim]", highlight=False, soft_wrap=True)


def _print_validation(console: Console, validation: Validation, subject: Subject, folder: Path) -> None:
    found = summarize(validation.rows)
    if found["n"]:
        figures = ", ".join(
            f"{name} {100 * float(found[key] or 0):.2f} %"
            for name, key in (
                ("p95", "p95_abs_error"),
                ("median", "median_abs_error"),
                ("largest", "max_abs_error"),
                ("bias", "bias"),
            )
        )
        sample = "in sample (the constants were fitted on these rows)" if validation.in_sample else "out of sample"
        console.print(f"{found['n']} figures {sample}: {figures}", highlight=False)
    decided = [ranking for ranking in validation.rankings if ranking.decided]
    right = sum(ranking.right for ranking in decided)
    console.print(f"order of strategies right in {right} of {len(decided)} decided pairs", highlight=False)
    for failure in validation.failures:
        console.print(f"FAILED: {failure}", highlight=False)
    for suspect in subject.suspects:
        console.print(f"no longer fits: {suspect.text}", highlight=False)
    if validation.passed:
        console.print("passed", highlight=False)
    console.print(f"[dim]report: {folder / 'report.html'}[/dim]", highlight=False, soft_wrap=True)


def _versions() -> dict[str, str]:
    names = ("dwdp-toolkit", "simpy", "numpy", "scipy")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a source tree without installation
            found[name] = "not installed"
    return found
