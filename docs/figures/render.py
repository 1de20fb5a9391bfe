"""Write the figures of the pages from committed data. Run: make figures.

A figure stands in a page between two comments, which neither GitHub nor the site shows:

    batching gains <!--= campaigns.gain_v3lite36 -->2.6–3.3 %<!--/--> there

Its name is a module of this folder and a key of the dictionary that the module's `figures()` returns. A figure may
begin in one cell of a table row and end in a later one. It must not begin a line, since the rest of that line would not
be read as Markdown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import campaigns
import compute_windows
import constants
import first_minutes
import gains
import host_time
import kernel_steps
import main_job
import odd_allocations
import power
import published
import speed
import telling
import torch_kernels
import validations
import window_ratios
import witness
from rows import ROOT

SPAN = re.compile(r"<!--= (?P<name>[\w.]+) -->(?P<text>.*?)<!--/-->")
_TOPICS = (
    campaigns,
    compute_windows,
    gains,
    constants,
    first_minutes,
    main_job,
    host_time,
    odd_allocations,
    kernel_steps,
    power,
    published,
    speed,
    telling,
    torch_kernels,
    validations,
    window_ratios,
    witness,
)


def main() -> None:
    """Rewrite every page whose figures have changed."""
    now = figures()
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = rendered(before, now)
        if after != before:
            page.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{page.relative_to(ROOT)}\n")


def figures() -> dict[str, str]:
    """Every figure that a page may show, by its name."""
    return {f"{topic.__name__}.{name}": text for topic in _TOPICS for name, text in topic.figures().items()}


def pages() -> list[Path]:
    """The pages that may show figures."""
    named = [ROOT / name for name in ("README.md", "CHANGELOG.md", "measurements/README.md")]
    return [*named, *sorted((ROOT / "docs").rglob("*.md"))]


def rendered(page: str, now: Mapping[str, str]) -> str:
    """The text of a page with its figures as they are now; one that has no such name is left as it is."""

    def written(span: re.Match[str]) -> str:
        return f"<!--= {span['name']} -->{now.get(span['name'], span['text'])}<!--/-->"

    return SPAN.sub(written, page)


if __name__ == "__main__":
    main()
