"""Leave out of rows and constants every text that a bundle does not hold; applied twice, it changes nothing more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import yaml

from dwdp_hw.bundle.vocabulary import (
    MACHINE,
    OWN_ROWS,
    UNSTABLE,
    WARNED,
    case_names,
    constant_names,
    constant_texts,
    row_keys,
    row_words,
)
from dwdp_hw.calibration.calibrate import KEPT
from dwdp_hw.rows.schema import WARNINGS, FileContent, MeasuredRow
from dwdp_hw.rows.upgrade import upgraded
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.typed_file import convert
from dwdp_sim.base.user_file import parse_json
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant

_FIRST_FORMAT = 2  # rows of format 1 were written by hand
_NEEDED = ("gpu", "gpus", "driver")  # without them nobody knows what was measured
_GPU_WORD = re.compile(r"\w{2,10}", re.ASCII)


def clean_rows(text: str, path: str) -> str:
    """The text of a file of measured rows as a bundle holds it.

    Args:
        text: Of a file that this project measured.
        path: Where it is from, for messages.

    Raises:
        ConfigError: Not such a file, or it does not say what kind of machine it is of.
    """
    content = convert(parse_json(text, path, "bundle"), FileContent, path, "bundle")
    number = content.get("format", 1)
    if number < _FIRST_FORMAT:
        raise ConfigError("bundle", path, "rows of format 1 say too little; measure again, or leave them out")
    machine = clean_machine(content["machine"], path)
    rows = upgraded(content["rows"], number, path)
    cleaned = [_clean_row(row, place, machine["gpus"], path) for place, row in enumerate(rows)]
    return json_rows({"format": number, "machine": machine, "rows": cleaned})


def clean_machine(machine: Mapping[str, Any], path: str) -> dict[str, Any]:
    """What a bundle says of a machine.

    Raises:
        ConfigError: It lacks the kind or number of its GPUs or its driver, or has them in unknown words.
    """
    machine = {**machine, WARNINGS: [WARNED]} if machine.get(WARNINGS) else machine
    found = {name: machine[name] for name, is_right in MACHINE.items() if name in machine and is_right(machine[name])}
    for name in _NEEDED:
        if name not in found:
            said = machine.get(name, "missing")
            raise ConfigError("bundle", path, f"machine.{name} is {said}, which is no NVIDIA GPU's")
    return found


def machine_name(machine: Mapping[str, Any]) -> str:
    """What a bundle calls its cluster, such as `measured_h200_x2`: users choose names that say who they are."""
    gpu = re.sub(r"[^a-z0-9]+", "_", str(machine["gpu"]).removeprefix("NVIDIA ").lower())
    return f"measured_{gpu}_x{machine['gpus']}"


def _clean_row(row: MeasuredRow, place: int, gpus: int, path: str) -> MeasuredRow:
    if "jobs" in row:
        raise ConfigError("bundle", path, f"rows[{place}] is of a trace; a bundle holds rows that dwdp-hw measured")
    kept = cast(dict[str, Any], _clean(row, ""))
    kept["case"] = row["case"] if row["case"] in case_names(gpus) else f"case_{place}"
    kept["unstable_reason"] = None  # a text about runs; whether it is stable the row says beside it
    return cast(MeasuredRow, {name: kept[name] for name in row if name in kept})


_LEFT_OUT = object()


def _clean(value: Any, field: str) -> Any:
    """The value without what the vocabulary of its field lacks; `_LEFT_OUT` if nothing is left."""
    if isinstance(value, str):
        kept = [text for text in (value, value.partition(":")[0]) if text in row_words().get(field, ())]
        return kept[0] if kept else _LEFT_OUT
    if isinstance(value, Mapping):
        if "disturbed" in value:  # a round: why its runs say nothing is a text, that they do is what counts
            value = {**value, "unstable_reason": value["unstable_reason"] and UNSTABLE}
        cleaned = {name: _clean(one, name) for name, one in value.items() if name in row_keys()}
        return {name: one for name, one in cleaned.items() if one is not _LEFT_OUT}
    if isinstance(value, list | tuple):
        return [one for one in (_clean(one, field) for one in value) if one is not _LEFT_OUT]
    return value


def clean_cluster(
    cluster: Cluster,
    machine: Mapping[str, Any],
    fitted_on: Sequence[Mapping[str, str]],
    own_files: Sequence[str] = (),
) -> str:
    """The text of a cluster file as a bundle holds it.

    Args:
        cluster: Fitted to the bundle's rows, or shipped.
        machine: As `clean_machine` has it.
        fitted_on: The bundle's parts that it was fitted on.
        own_files: The names that sources of its constants have for these parts.
    """
    names = [name for name in cluster.constants if name in constant_names()]
    content = {
        "name": machine_name(machine),
        "description": f"{machine['gpus']} × {machine['gpu']}, driver {machine['driver']} (calibrated)",
        "gpu": cluster.gpu if _GPU_WORD.fullmatch(cluster.gpu) and cluster.gpu in machine["gpu"].split() else "",
        "num_gpus": cluster.num_gpus,
        "mapping": cluster.mapping,
        "home": cluster.home,
        "fitted_on": [{name: entry[name] for name in ("file", "sha256", "use")} for entry in fitted_on],
        "constants": {name: _clean_constant(cluster.constants[name], own_files) for name in names},
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _clean_constant(constant: Constant, own_files: Sequence[str]) -> dict[str, Any]:
    found = {
        "value": _clean_number(constant.value),
        "unit": _known(constant.unit),
        "provenance": constant.provenance,
        "source": _clean_source(constant, own_files),
        "direction": _known(constant.direction),
        "interval": _clean_number(constant.interval),
    }
    return {name: value for name, value in found.items() if name in ("value", "unit", "source") or value}


def _clean_source(constant: Constant, own_files: Sequence[str]) -> str:
    """Which rows or publication, if this project wrote it."""
    source, kept = constant.source.removesuffix(KEPT), KEPT if constant.source.endswith(KEPT) else ""
    if not kept and constant.provenance == "measured" and any(file in source for file in own_files):
        return OWN_ROWS
    return _known(source) + kept


def _known(text: str) -> str:
    return text if text in constant_texts() else ""


def _clean_number(value: Any) -> Any:
    """A constant's value or interval with six significant figures: numbers, and words that this project wrote."""
    if isinstance(value, Mapping):
        keys = [key for key in value if not isinstance(key, str) or key in (*constant_texts(), "pull", "push")]
        return {int(key) if isinstance(key, float) else key: _clean_number(value[key]) for key in keys}
    if isinstance(value, list | tuple):
        return [_clean_number(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return _known(value) if isinstance(value, str) else value
