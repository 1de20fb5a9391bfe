"""Print a calibration or a validation on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.calibration.calibrate import Calibration
from dwdp_hw.calibration.rules import DECIDED
from dwdp_hw.validation.comparison import MODES
from dwdp_hw.validation.rule_scores import Outcome
from dwdp_hw.validation.suspects import Suspect
from dwdp_hw.validation.validate import Validation
from dwdp_sim.base.terminal import say


def print_calibration(console: Console, found: Calibration, path: Path) -> None:
    """Print constants with intervals, what the rows do not identify, and where the cluster file is."""
    count = sum(map(len, found.rows.values()))
    table = Table(title=f"{found.cluster.description}: {count} rows", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("constant", "value", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "constant" else "right")
    for e in found.estimates:
        table.add_row(e.parameter.name, f"{e.value:.5g}", f"{e.low:.5g} – {e.high:.5g}")
    console.print(table)
    for first, second in found.fit.not_apart:
        say(console, f"cannot be told apart by these rows: {first} and {second}")
    for parameter, reason in found.fit.kept.items():
        say(console, f"not identified by these rows ({reason}): kept {parameter.name} = {parameter.start:.5g}")
    for text in found.failed:
        say(console, f"failed: {text}")
    for text in found.warnings:
        say(console, f"the machine was not in order: {text}")
    for moved in found.moved:
        say(console, moved.text(found.before))
    for mapping, rows in found.apart.items():
        own = found.cluster.mapping
        say(console, f"kept apart: {rows} rows with peer memory mapped as {mapping} (cluster.mapping={own})")
    for rule, gain in found.evidence.items():
        verdict = "better" if gain > DECIDED else "worse" if gain < -DECIDED else "undecided"
        say(console, f"{rule}: held-out log likelihood {gain:+.1f}, {verdict}")
    say(console, f"written to {path}", dim=True)


def print_validation(console: Console, validation: Validation, suspects: Sequence[Suspect], report: Path) -> None:
    """Print the figures of each issue mode with their bars, the ranking, and the verdict."""
    for mode in MODES:
        say(console, validation.judged(mode))
    decided = [ranking for ranking in validation.rankings if ranking.decided]
    right = sum(ranking.right for ranking in decided)
    say(console, f"order of strategies right in {right} of {len(decided)} decided pairs")
    for failure in validation.failures:
        say(console, f"missed: {failure}")
    for suspect in suspects:
        say(console, f"no longer fits: {suspect.text}")
    say(console, f"verdict: {validation.verdict}")
    for step in validation.next_steps:
        say(console, f"  {step}")
    say(console, f"report: {report}", dim=True)


def print_rules(console: Console, outcome: Outcome) -> None:
    """Print which hypotheses the rows choose, and which cases did not run."""
    say(console, outcome.verdict)
    if outcome.not_run:
        say(console, f"{len(outcome.not_run)} cases failed or did not run: the report lists them")
