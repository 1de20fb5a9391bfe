"""Write the page on a results folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.owner import remove_leftovers
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.sweep.page import findings
from dwdp_sim.sweep.page.charts import charts, choices, splits
from dwdp_sim.sweep.page.document import Content, document
from dwdp_sim.sweep.page.experiment_question import experiment, question
from dwdp_sim.sweep.page.factors import find_factors
from dwdp_sim.sweep.page.headline import tiles, verdict
from dwdp_sim.sweep.page.job_table import table_section
from dwdp_sim.sweep.page.measured_rows import match, read_measured, shipped
from dwdp_sim.sweep.page.measures import available, main_measure
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
        measured: `validation.json` files, or their folders; none: those that the source tree ships.
        runs: Folders of single runs to link, besides `runs` in the results folder.

    Raises:
        ConfigError: The folder holds no rows, a file is not what it should be, or the extra `report` is missing.
        OSError: The page cannot be written.
    """
    jobs = read_jobs(results)
    cases = read_measured(measured) if measured else shipped()
    factors, measures, main = find_factors(jobs), available(jobs.finished), main_measure(jobs.finished)
    table = findings.case_table(jobs.finished, factors, main)
    effects, standings = findings.effects(table, factors), findings.standings(table, factors)
    winners = findings.winners(table, factors)
    matches = match(jobs.finished, cases)
    name = experiment([*jobs.finished["overrides"], *jobs.failed["overrides"]])
    linked = run_folders([results / "runs", *runs])
    content = Content(
        title=f"Sweep: {name or results.resolve().name}",
        question=question(name, [config_dir()]) if name else "",
        verdict=verdict(jobs, factors, main, standings, effects),
        tiles=tiles(jobs, main, standings, effects, matches),
        findings=choices_section(standings, winners, factors) + effects_section(effects, main),
        measured=measured_section(matches),
        rest=failures_section(jobs.failed, factors) + rest_section(jobs, factors),
        table=table_section(jobs, factors, measures, main, matches, linked, out.parent),
        factors=factors,
        choices=choices(factors, measures, main),
        splits=list(splits(jobs.finished)),
        data=charts(jobs.finished, factors, measures, matches),
    )
    text = document(content)
    remove_leftovers(out.parent)
    return write_whole(out, lambda temporary: temporary.write_text(text, "utf-8", "backslashreplace"))
