"""Which cases of the incast experiment tell hypotheses apart (docs/data/identify.jsonl), and what they should take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rows import ROOT
from wording import cells, percent

from dwdp_hw.cases.incast import incast_cases

_APART = 0.01  # gap between the nearest starts of two hypotheses from which a case counts as telling them apart
_TABLE_GPUS = 4
_SIMULATED = (3, 4)

Line = Mapping[str, Any]


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    text = (ROOT / "docs/data/identify.jsonl").read_text(encoding="utf-8")
    lines: list[Line] = [json.loads(line) for line in text.splitlines()]
    found: dict[str, str] = {}
    for gpus in (*_SIMULATED, 8):
        found |= _pairs(gpus, [line for line in lines if line["kind"] == "pair" and line["gpus"] == gpus])
    truths = [line for line in lines if line["kind"] == "truth"]
    found |= _truths(truths)
    found |= {f"copies_{gpus}": _copying(gpus) for gpus in (4, 8)}
    for way in ("default", "batched"):
        found[f"r1_{way}"] = _slowest(f"r1_{way}")
    return found


def _pairs(gpus: int, pairs: Sequence[Line]) -> dict[str, str]:
    apart = [pair for pair in pairs if pair["gap"] >= _APART]
    hardest = min(apart, key=lambda pair: float(pair["gap"]))
    names = {name for pair in pairs for name in (pair["one"], pair["other"])}
    found = {
        f"hypotheses_{gpus}": str(len(names)),
        f"pairs_{gpus}": f"{len(apart)} of {len(pairs)}",
    }
    if gpus == _TABLE_GPUS:
        found["hardest"] = f"{hardest['one']} and {hardest['other']}, by {percent(hardest['gap'])}"
        for case in incast_cases(gpus)[0]:
            found[case.name] = _case(case.name, apart)
    return found


def _case(name: str, apart: Sequence[Line]) -> str:
    """Pairs that the case tells apart, those that no other case does, and the one for which it does best."""
    told = [pair for pair in apart if name in pair["telling"]]
    alone = [pair for pair in told if pair["telling"] == [name]]
    best = [pair for pair in told if pair["case"] == name]
    shown = min(alone or best, key=lambda pair: float(pair["gap"]), default=None)
    example = "–" if shown is None else f"{shown['one']} / {shown['other']}, {percent(shown['gap'])}"
    return cells(str(len(told)), str(len(alone)), example)


def _truths(truths: Sequence[Line]) -> dict[str, str]:
    found = {}
    for gpus in _SIMULATED:
        own = [truth for truth in truths if truth["gpus"] == gpus]
        found |= {
            f"found_{gpus}": _share(own, "found", "choices"),
            f"decided_{gpus}": _share(own, "decided", "choices"),
            f"passed_{gpus}": _share(own, "passed", "validations"),
            f"wrong_{gpus}": _share(own, "wrong_passed", "wrong"),
        }
    return found


def _share(lines: Sequence[Line], part: str, whole: str) -> str:
    count, of = (sum(int(line[name]) for line in lines) for name in (part, whole))
    return f"{percent(count / of)} of {of}"


def _predictions(gpus: int) -> dict[str, Line]:
    text = (ROOT / f"measurements/predictions/hgx_h200_x{gpus}_incast.json").read_text(encoding="utf-8")
    return {row["case"]: row for row in json.loads(text)["rows"]}


def _copying(gpus: int) -> str:
    """How long all copies of the experiment take as configured, and under the worst hypothesis; warm-ups counted."""
    runs = {
        case.name: case.warmups + case.repeats + case.detail for block in incast_cases(gpus) for case in block
    }  # fmt: skip
    rows = _predictions(gpus)
    expected, most = (
        sum(max(row[column]) * 1e-6 * runs[name] for name, row in rows.items()) for column in ("expected_us", "high_us")
    )
    return f"{expected:.0f} s, and {most:.0f} s"


def _slowest(case: str) -> str:
    """The slowest rank's time on four GPUs, with its range over hypotheses and starts."""
    row = _predictions(4)[case]
    mean, low, high = (max(row[column]) / 1e3 for column in ("expected_us", "low_us", "high_us"))
    return f"{mean:.1f} ms ({low:.1f}–{high:.1f})"
