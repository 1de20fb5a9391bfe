"""Read what nvbandwidth printed: plain text, or JSON (`-j`)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import read_text

Matrix = list[list[float | None]]

_MOST_BYTES = 16 * 2**20  # of an output: 72 GPUs with every testcase print less than 2 MiB
_KEY = "output"
_FOREIGN = "is no output of nvbandwidth: its text or its JSON (-j) is wanted, with the matrices"
_RUNNING = re.compile(r"\s*Running (\w+)\.\s*$")
_SUM = re.compile(r"\s*(?:SUM|&&&& PERF) (\w+) ")
_COLUMNS = re.compile(r"\s+0(\s+\d+)*\s*$")
_ROW = re.compile(r"\s*\d+(\s+(N/A|[-+.\w]+))+\s*$")


def read_output(path: str) -> dict[str, Matrix]:
    """The matrices of an output by testcase; None if a pair was not measured.

    Args:
        path: File with the text or the JSON of one run.

    Raises:
        ConfigError: Not readable, too large, no output of nvbandwidth, or a figure is no finite number ≥ 0.
    """
    file = Path(path)
    if file.is_file() and file.stat().st_size > _MOST_BYTES:
        raise ConfigError(_KEY, path, f"is larger than {_MOST_BYTES >> 20} MiB: no output of nvbandwidth is")
    text = read_text(path, _KEY)
    found = _from_json(path, text) if text.lstrip()[:1] == "{" else dict(_from_text(path, text))
    if not found:
        raise ConfigError(_KEY, path, _FOREIGN)
    return found


def _from_text(path: str, text: str) -> Iterator[tuple[str, Matrix]]:
    """Each matrix under the name of the sum below it; without one, of the testcase that was running."""
    running, matrix, is_inside = "", Matrix(), False
    for line in text.splitlines():
        name = _RUNNING.match(line) or _SUM.match(line)
        if name or _COLUMNS.match(line):
            if matrix and (name is None or _RUNNING.match(line)):
                yield running, matrix
            elif matrix and name:
                yield name[1], matrix
            running = name[1] if name and _RUNNING.match(line) else running
            matrix, is_inside = [], name is None
        elif is_inside and _ROW.match(line):
            matrix.append([_figure(path, running, word) for word in line.split()[1:]])
        else:
            is_inside = False
    if matrix and running:
        yield running, matrix


def _from_json(path: str, text: str) -> dict[str, Matrix]:
    try:
        testcases = json.loads(text)["nvbandwidth"]["testcases"]
        return {
            str(case["name"]): [
                [_figure(path, case["name"], str(figure)) for figure in row] for row in case["bandwidth_matrix"]
            ]
            for case in testcases
            if case.get("bandwidth_matrix")
        }
    except ConfigError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(_KEY, path, _FOREIGN) from error


def _figure(path: str, testcase: Any, word: str) -> float | None:
    """A figure of a matrix; None for `N/A`, and for the 0.00 that old versions print there."""
    if word == "N/A":
        return None
    try:
        figure = float(word)
    except ValueError:
        figure = math.nan
    if not math.isfinite(figure) or figure < 0:
        raise ConfigError(_KEY, path, f"{testcase} has '{word}' where a finite figure in GB/s is wanted")
    return figure or None
