"""Examine a node: its parts in order, what came of each, a page and a line about the whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from dwdp_hw.node.outcome import GOOD, OPEN, SKIPPED, Outcome, verdict_of
from dwdp_hw.node.page import node_page
from dwdp_hw.node.parts import FITTED, WITH_PEERS, Part
from dwdp_hw.node.peers import write_peers
from dwdp_hw.node.run_part import run_part
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.terminal import progress_line, say

_SCHEMA = 1
_SHOWN_CHARACTERS = 400  # of what a part has found, on the screen; the page has all of it


def examine(parts: Sequence[Part], only: Collection[str], folder: Path, title: str, console: Console) -> list[Outcome]:
    """Run the parts, write `node.json` and `node.html` into `folder`, and print a line for each and one for all.

    Args:
        parts: In their order.
        only: Names of those that are wanted; the others are skipped, and count as done if their files are there.
        folder: Where everything is written.
        title: What is examined.
        console: Where to print.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [part for part in parts if part.name in only]
    outcomes: list[Outcome] = []
    with progress_line(console, "parts", elapsed=True) as show:
        for number, part in enumerate(wanted):
            left_s = sum(other.usual_s for other in wanted[number:])
            show(f"{part.name}, about {left_s / 60:.0f} min left" if left_s > 60 else part.name, number, len(wanted))
            outcomes.append(_run_or_skip(part, outcomes, folder))
            _write(folder, title, outcomes)
            say(console, line_of(outcomes[-1]))
    say(console, summary_of(outcomes))
    say(console, f"page: {folder / 'node.html'}", dim=True)
    return outcomes


def _run_or_skip(part: Part, before: Sequence[Outcome], folder: Path) -> Outcome:
    """Run a part unless what it needs is not there."""
    ran = {one.part.name: one.verdict for one in before}
    for name in part.needs:
        if ran.get(name, GOOD) not in (GOOD, OPEN) or not (folder / name).is_dir():
            return Outcome(part, SKIPPED, f"needs what {name} finds")
    if part.peers:
        clusters = folder / "cluster"
        write_peers(part.peers, clusters / f"{FITTED}.yaml", clusters / f"{WITH_PEERS}.yaml")
    return run_part(part, folder)


def line_of(outcome: Outcome) -> str:
    """Return what came of a part, in one line for the screen."""
    said = outcome.said[:_SHOWN_CHARACTERS] + "…" * (len(outcome.said) > _SHOWN_CHARACTERS)
    return f"{outcome.part.name:<10} {outcome.verdict:<12} {outcome.took_s:4.0f} s  {said}"


def summary_of(outcomes: Sequence[Outcome]) -> str:
    """Return the verdict on the node, in one line."""
    verdict = verdict_of(outcomes)
    names = [one.part.name for one in outcomes if one.verdict == verdict]
    took_s = sum(one.took_s for one in outcomes)
    return f"node: {verdict} ({', '.join(names) or 'no part ran'}), after {took_s:.0f} s"


def _write(folder: Path, title: str, outcomes: Sequence[Outcome]) -> None:
    """Both files, anew after each part: what is found so far is there whatever comes."""
    content = {
        "schema": _SCHEMA,
        "node": title,
        "verdict": verdict_of(outcomes),
        "parts": [outcome.as_dict() for outcome in outcomes],
    }
    text = json.dumps(content, indent=2) + "\n"
    page = node_page(title, summary_of(outcomes), outcomes, folder)
    write_whole(folder / "node.json", lambda temporary: temporary.write_text(text, encoding="utf-8"))
    write_whole(folder / "node.html", lambda temporary: temporary.write_text(page, encoding="utf-8"))
