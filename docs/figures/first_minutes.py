"""How long a newcomer waits (docs/data/first_minutes.json, made by `make first-minutes`): docs/install.md."""

from __future__ import annotations

import json
import statistics
from itertools import accumulate
from typing import Any

from rows import ROOT
from wording import between, cells

DATA = ROOT / "docs/data/first_minutes.json"


def figures() -> dict[str, str]:
    """What the machine was, what a prediction needs of it, and each goal's seconds and those allowed, as two cells."""
    content = json.loads(DATA.read_text(encoding="utf-8"))
    clocks = [each["clock_s"] for each in content["rounds"]]
    rounds = [dict(zip(took, accumulate(took.values()), strict=True)) for took in clocks]
    processor = statistics.median(each["processor_s"]["prediction"] for each in content["rounds"])
    found = {"machine": _machine(content["machine"]), "processor": f"{processor:.0f}"}
    for goal, allowed in content["allowed_s"].items():
        elapsed = [ends[goal] for ends in rounds]
        seconds = f"{statistics.median(elapsed):.0f} ({between(elapsed, 0)})"
        found[goal] = cells(seconds, f"{allowed:.0f}")
    return found


def _machine(of: dict[str, Any]) -> str:
    where = f"{of['system']}, Python {of['python']}, {of['cores']} cores"
    return f"{where}, on {of['date']} after a load of {of['load_before']}"
