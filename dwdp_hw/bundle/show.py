"""Print what a bundle claims, or render the report that its figures are of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from dwdp_hw.bundle.check import FAILS, SKIPPED, Claim
from dwdp_hw.bundle.opened import Bundle
from dwdp_hw.bundle.pool import Spread, machines_section
from dwdp_hw.validation.report import Subject, html_report
from dwdp_hw.validation.validate import Validation
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.terminal import plain_console, say
from dwdp_sim.results.html import Section, page


def print_claims(console: Console, bundle: Bundle, claims: Sequence[Claim]) -> None:
    """Print the bundle's hash, each claim in a line, and the verdict."""
    machine = bundle.manifest.machine
    say(console, f"{machine['gpus']} × {machine['gpu']}, driver {machine['driver']}; SHA-256 {bundle.sha256}")
    for claim in claims:
        say(console, f"{claim.what}: {claim.state} ({claim.why})")
    failed, skipped = (sum(claim.state == state for claim in claims) for state in (FAILS, SKIPPED))
    verdict = f"{failed} claims fail" if failed else "every claim that was checked holds"
    say(console, f"{verdict}{f'; not checked: {skipped}' if skipped else ''}")


def write_report(path: Path, bundle: Bundle, validation: Validation) -> Path:
    """Write the page on the bundle's rows, made of its data and no text of its author."""
    versions = {"dwdp-toolkit of the bundle": bundle.manifest.toolkit}
    parts = [recording.path for recording in bundle.recordings]
    text = html_report(validation, Subject(bundle.cluster, parts, bundle.manifest.machine, versions))
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def print_spreads(console: Console, spreads: Sequence[Spread]) -> None:
    """Print how the constants of several machines differ."""
    section = machines_section(spreads)
    table = Table(title=section.heading, title_justify="left", box=box.SIMPLE_HEAD)
    for number, heading in enumerate(section.header):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in section.rows:
        table.add_row(*row)
    plain_console(console).print(table)


def write_machines(path: Path, name: str, spreads: Sequence[Spread]) -> Path:
    """Write the page that lays the machines of a pooled cluster side by side."""
    section: Section = machines_section(spreads)
    title = f"Machines of {name}"
    text = page(title, f"<h1>{title}</h1>\n{section.html()}")
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
