"""Find the question that a sweep asks: the comment at the head of its experiment's file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_CHOICE = re.compile(r"^\+?experiment=([\w-]+)$")


def experiment(command_lines: Iterable[str]) -> str | None:
    """Return the experiment that the jobs' command lines name; None if they name none, or several."""
    names = {match[1] for line in command_lines for text in line.split() if (match := _CHOICE.match(text))}
    return names.pop() if len(names) == 1 else None


def question(name: str, folders: Sequence[Path]) -> str:
    """Return the first comment in the experiment's file as one paragraph; empty if there is no such file.

    Args:
        name: The experiment.
        folders: Of the configuration; each may have a folder `experiment`.
    """
    for folder in folders:
        path = folder / "experiment" / f"{name}.yaml"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            comments = [line for line in lines if not line.startswith("# @package")]
            head = itertools.takewhile(lambda line: line.startswith("#"), comments)
            return " ".join(line.lstrip("# ").strip() for line in head).strip()
    return ""
