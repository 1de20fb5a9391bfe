"""Read what nvbandwidth printed: plain text, or JSON (`-j`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.base.typed_file import Name, convert
from dwdp_sim.base.user_file import parse_json, read_text

Matrix = list[list[float | None]]


class _Testcase(Struct):
    name: Name
    bandwidth_matrix: list[list[str | int | float]] | None = None


class _Run(Struct):
    testcases: list[_Testcase]


class _File(Struct):
    nvbandwidth: _Run


_MOST_BYTES = 16 * 2**20  # of an output: 72 GPUs with every testcase print less than 2 MiB
_MOST_GB_PER_S = 1e6
_NUMBER = re.compile(r"[-+]?[0-9]{1,20}(\.[0-9]{0,20})?(e[-+]?[0-9]{1,3})?", re.ASCII)
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
    text = read_text(path, _KEY, "text", _MOST_BYTES)
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
    run = convert(parse_json(text, path, _KEY), _File, path, _KEY).nvbandwidth
    return {
        case.name: [[_figure(path, case.name, str(figure)) for figure in row] for row in case.bandwidth_matrix]
        for case in run.testcases
        if case.bandwidth_matrix
    }


def _figure(path: str, testcase: Any, word: str) -> float | None:
    """A figure of a matrix; None for `N/A`, and for the 0.00 that old versions print there."""
    if word == "N/A":
        return None
    figure = float(word) if _NUMBER.fullmatch(word) else math.nan
    if not 0 <= figure <= _MOST_GB_PER_S:
        allowed = f"a figure from 0 to {_MOST_GB_PER_S:g} GB/s is wanted"
        raise ConfigError(_KEY, path, f"{testcase} has '{shorten(word)}' where {allowed}")
    return figure or None
