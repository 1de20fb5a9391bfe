"""From a results folder to its page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.job.schema import config_dir
from dwdp_sim.sweep.page import findings
from dwdp_sim.sweep.page.experiment_question import experiment, question
from dwdp_sim.sweep.page.factors import find_factors
from dwdp_sim.sweep.page.headline import tiles, verdict
from dwdp_sim.sweep.page.html import Content, html_page
from dwdp_sim.sweep.page.measured_rows import match, read_measured, shipped
from dwdp_sim.sweep.page.measures import available, main_measure
from dwdp_sim.sweep.page.payload import payload
from dwdp_sim.sweep.page.sections import (
    choices_section,
    effects_section,
    failures_section,
    measured_section,
    rest_section,
)
from dwdp_sim.sweep.page.single_runs import run_folders
from dwdp_sim.sweep.page.sweep_jobs import read_jobs


def write_page(results: Path, out: Path, measured: Sequence[Path] = (), runs: Sequence[Path] = ()) -> Path:
    """Write the page on a results folder.

    Args:
        results: The folder.
        out: The page.
        measured: `validation.json` files, or their folders; none: the source tree's own rows.
        runs: Folders of single runs to link, besides `runs` in the results folder.

    Raises:
        ConfigError: The folder holds no rows, a file is not what it should be, or the extra `report` is missing.
        OSError: The page cannot be written.
    """
    jobs = read_jobs(results)
    cases = read_measured(measured) if measured else shipped()
    factors, main = find_factors(jobs), main_measure(jobs.finished)
    table = findings.case_table(jobs.finished, factors, main)
    effects, standings = findings.effects(table, factors), findings.standings(table, factors)
    winners = findings.winners(table, factors)
    matches = match(jobs.finished, cases)
    name = experiment([*jobs.finished["overrides"], *jobs.failed["overrides"]])
    content = Content(
        title=f"Sweep: {name or results.resolve().name}",
        question=question(name, [config_dir()]) if name else "",
        verdict=verdict(jobs, factors, main, standings, effects),
        tiles=tiles(jobs, main, standings, effects, matches),
        findings=choices_section(standings, winners, factors) + effects_section(effects, main),
        measured=measured_section(matches),
        rest=failures_section(jobs.failed, factors) + rest_section(jobs, factors),
        data=payload(
            jobs, factors, available(jobs.finished), main, matches, run_folders([results / "runs", *runs]), out.parent
        ),
    )
    text = html_page(content)
    return write_whole(out, lambda temporary: temporary.write_text(text, encoding="utf-8"))
