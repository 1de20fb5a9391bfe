"""What a part has found, in one line from its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dwdp_hw.node.parts import ADVISE, CALIBRATE, INCAST, VALIDATE, Part
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import read_json

_RATES = {"peer rate": "between GPUs", "host rate": "from the host"}


def said(part: Part, folder: Path) -> str:
    """Return the line; empty where the part has left no such file."""
    files: dict[str, tuple[str, Callable[[Any], str]]] = {
        INCAST: ("validation.json", _of_validation),
        CALIBRATE: ("calibration.json", _of_calibration),
        VALIDATE: ("validation.json", _of_validation),
        ADVISE: ("advice.json", _of_advice),
    }
    if part.name not in files:
        return ""
    name, words = files[part.name]
    try:
        return words(read_json(str(folder / part.folder / name), part.name))
    except (ConfigError, KeyError, TypeError, json.JSONDecodeError):  # not written: the log says why
        return ""


def _of_validation(found: Any) -> str:
    steps = found["next_steps"] or found["failures"]
    return f"the prediction {found['verdict']}{': ' if steps else ''}{'; '.join(steps)}"


def _of_calibration(found: Any) -> str:
    constants = {one["name"]: one["value"] for one in found["estimates"]}
    rates = [f"{constants[name] / 1e9:.1f} GB/s {words}" for name, words in _RATES.items() if name in constants]
    first, *others = found["failed_cases"] or [""]
    failed = [f"failed: {first}"] if first else []
    failed += [f"{len(others)} further {'case' if len(others) == 1 else 'cases'} failed"] if others else []
    return "; ".join([f"{len(constants)} constants measured{': ' if rates else ''}{', '.join(rates)}", *failed])


def _of_advice(found: Any) -> str:
    return f"{found['model']}, {found['dwdp_size']} ranks: {' '.join(found['verdict'])}"
