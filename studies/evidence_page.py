"""Tables of docs/hypotheses.md from docs/data/evidence.jsonl."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dwdp_sim.base.atomic_file import write_whole

PAGE = Path(__file__).resolve().parents[1] / "docs/hypotheses.md"
EXCLUDED, WEAKENED = 1 / 100, 1 / 10  # as likely as the best one
WITHIN = 1.92  # of the best log likelihood: a 95 % interval
SHOWN = {
    "as configured": "as configured",
    "1 source; fair": "1 source",
    "1 MiB ahead; fair": "1 MiB ahead",
    "random order inside a batch": "random order",
    "several readers cost a source": "several readers cost",
    "most lost both ways": "most lost both ways",
    "fifo sources": "fifo sources",
    "0.858 is a loss": "0.858 is a loss",
}
"""Hypotheses whose predictions of each figure are printed, with short names."""

Line = Mapping[str, Any]


def read_lines(path: Path) -> list[Line]:
    """The data, one line a figure or likelihood."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_page(data: Path, page: Path = PAGE) -> None:
    """Draw the tables of `page` anew."""
    text = with_tables(page.read_text(encoding="utf-8"), read_lines(data))
    write_whole(page, lambda path: path.write_text(text, encoding="utf-8"))


def with_tables(text: str, lines: Sequence[Line]) -> str:
    """The page with what stands between `<!-- begin NAME -->` and `<!-- end -->` made from the data."""
    parts = {
        "groups": groups_table(lines),
        "findings": findings(lines),
        "weights": weights_table(lines),
        "figures": figures_table(lines),
        "readers": readers_table(lines),
        "controls": controls_table(lines),
    }
    for name, rows in parts.items():
        before, begin, after = text.partition(f"<!-- begin {name} -->\n")
        _, end, rest = after.partition("<!-- end -->")
        if not end:
            raise ValueError(f"{PAGE.name} has no place for the table {name}")
        text = "".join((before, begin, "\n", "\n".join(rows), "\n\n", end, rest))
    return text


def relative(lines: Sequence[Line]) -> dict[str, dict[str, float]]:
    """For each hypothesis its likelihood by group, and in `all`, as a share of the best one's."""
    logs: dict[str, dict[str, float]] = {}
    for line in lines:
        if line["kind"] == "likelihood":
            logs.setdefault(line["hypothesis"], {})[line["group"]] = line["log_likelihood"]
    for own in logs.values():
        own["all"] = sum(own.values())
    best = {group: max(own[group] for own in logs.values()) for group in next(iter(logs.values()))}
    return {name: {group: math.exp(own[group] - best[group]) for group in best} for name, own in logs.items()}


def verdict(share: float) -> str:
    """What a likelihood of `share` of the best says."""
    return "**excluded**" if share < EXCLUDED else "weakened" if share < WEAKENED else "possible"


def groups_table(lines: Sequence[Line]) -> list[str]:
    """Which figures vote as one, and their relative error."""
    rows = [
        [line["group"], line["title"], f"{100 * line['error']:.2g} %", line["why"]]
        for line in lines
        if line["kind"] == "group"
    ]
    return _table(["group", "figures", "error of a figure", "because"], rows)


def findings(lines: Sequence[Line]) -> list[str]:
    """What is excluded, weakened and possible, as a list."""
    shares = {name: own["all"] for name, own in relative(lines).items()}
    said = {name: verdict(share).strip("*") for name, share in shares.items()}
    rows = [
        f"- **{word.capitalize()}**: {name}, {_share(shares[name])} of the best one's likelihood."
        for word in ("excluded", "weakened")
        for name in said
        if said[name] == word
    ]
    likelihood = "of the best one's likelihood"
    left = [shares[name] for name in said if said[name] == "possible"]
    walks = [shares[name] for name in said if "; " in name]
    return [
        *rows,
        f"- **Possible**: all {len(left)} others; the least likely has {_share(min(left))} {likelihood}.",
        f"- **Not told apart**: the {len(walks)} ways of walking a batch and sharing a source; the least likely has "
        f"{_share(min(walks))} {likelihood}.",
    ]


def weights_table(lines: Sequence[Line]) -> list[str]:
    """Hypotheses with their likelihoods; those that no figure tells apart share a row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    shares = relative(lines)
    for name, own in shares.items():
        cells = (*(_share(value) for value in own.values()), verdict(own["all"]))
        alike.setdefault(cells, []).append(name)
    groups = list(next(iter(shares.values())))[:-1]
    rows = [[_together(names), *cells] for cells, names in alike.items()]
    return _table(["hypothesis", *groups, "all", "verdict"], rows)


def figures_table(lines: Sequence[Line]) -> list[str]:
    """Figures as published, and predictions over them under the hypotheses that differ most."""
    found: dict[str, dict[str, Line]] = {}
    for line in lines:
        if line["kind"] == "figure":
            found.setdefault(line["row"], {})[line["hypothesis"]] = line
    rows = []
    for name, own in found.items():
        first = next(iter(own.values()))
        unit = "" if first["unit"] == "1" else f" {first['unit']}"
        ratios = [[own[key][part] / first["published"] for part in ("predicted", "spread")] for key in SHOWN]
        cells = [f"{mean:.2f} ± {spread:.2f}" for mean, spread in ratios]
        rows.append([name.replace("_", " "), f"{first['published']:.4g}{unit}", *cells])
    return _table(["figure", "published", *SHOWN.values()], rows)


def readers_table(lines: Sequence[Line]) -> list[str]:
    """For each error of a figure the factors of a source that the figures support, by group."""
    curves: dict[tuple[str, float], dict[float, float]] = {}
    for line in lines:
        if line["kind"] == "readers":
            curves.setdefault((line["group"], line["error"]), {})[line["factor"]] = line["log_likelihood"]
    rows = []
    for (group, error), curve in curves.items():
        best = max(curve.values())
        shares = [_share(math.exp(curve[factor] - best)) for factor in (0.96, 0.92, 0.86)]
        rows.append([group, f"{100 * error:.0f} %", _interval(curve), *shares])
    return _table(["figures", "error of a figure", "supported (95 %)", "0.96", "0.92", "0.86"], rows)


def _interval(curve: Mapping[float, float]) -> str:
    best = max(curve.values())
    kept = [factor for factor, value in curve.items() if value >= best - WITHIN]
    low = "below " if min(kept) == min(curve) else ""
    return f"{low}{min(kept):.2f} to {max(kept):.2f}"


def controls_table(lines: Sequence[Line]) -> list[str]:
    """Usable rows on which the hypotheses agree, under what is configured and under first-in-first-out sources."""
    found: dict[str, dict[str, Line]] = {}
    for line in lines:
        if line["kind"] == "control":
            found.setdefault(line["row"], {})[line["hypothesis"]] = line
    rows = []
    for name, own in found.items():
        first, *others = own.values()
        sign = {"=": "", ">=": "≥ ", "<=": "≤ "}[first["relation"]]
        predicted = [f"{line['predicted']:.4g}" for line in (first, *others)]
        rows.append([name.replace("_", " "), f"{sign}{first['published']:.4g} {first['unit']}", *predicted])
    return _table(["row", "published", "as configured", "fifo sources"], rows)


def _share(value: float) -> str:
    """A share of the best as people say it: 0.42, 1/30, 1/7,000."""
    if value > WEAKENED:
        return f"{value:.2f}"
    digits = 10 ** (math.floor(math.log10(1 / value)) - 1)
    return f"1/{round(1 / value / digits) * digits:,.0f}"


def _together(names: Sequence[str]) -> str:
    """Names of hypotheses, those that differ only in how a source is shared as one."""
    walks: dict[str, list[str]] = {}
    for name in names:
        walk, _, sharing = name.partition("; ")
        walks.setdefault(walk, []).append(sharing)
    return "<br>".join(f"{walk}; {' or '.join(s)}" if all(s) else walk for walk, s in walks.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
