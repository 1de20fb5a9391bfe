"""Speed and memory of the engines (docs/data/speed.json, made by `make speed`): docs/speed.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rows import ROOT
from wording import cells, percent

DATA = ROOT / "docs/data/speed.json"
_LOOP, _WHOLE, _SIMGRID, _SIMPY, _PLAIN = ENGINES = (
    "compiled loop",
    "simulate()",
    "SimGrid C++",
    "SimPy engine",
    "plain SimPy",
)
_USUAL_BYTES, _MOST_RANKS, _RANKS_OF_SIZES = 2**21, 72, 8
_VERSIONS = {"Python": "python", "numba": "numba", "SimPy": "simpy", "SimGrid": "simgrid"}

Row = Mapping[str, Any]


def figures() -> dict[str, str]:
    """Rows of cells for speeds, growth and profiles, and what the machine was."""
    content = json.loads(DATA.read_text(encoding="utf-8"))
    rows = content["rows"]
    steps = {row["ranks"]: row for row in content["growth"] if row["of"] == "layers"}
    largest = max((row for row in rows if row["engine"] == _WHOLE), key=lambda row: row["slices"])
    idle_bytes = content["idle_bytes"]["Python"]
    found = dict([*_speeds(rows), *_sizes(rows), *_growth(content["growth"]), *_profiles(content["profiles"])])
    return found | {
        "machine": _machine(content["machine"]),
        "spread": percent(sorted(row["spread"] for row in rows)[len(rows) // 2], 0),
        "first_simpy": _first(rows, _SIMPY),
        "first_plain": _first(rows, _PLAIN),
        "first_simgrid": _first(rows, _SIMGRID),
        "idle": f"{idle_bytes / 1e6:.0f} MB",
        "idle_simgrid": f"{content['idle_bytes'][_SIMGRID] / 1e6:.0f} MB",
        "most_slices": f"{largest['slices']:,}",
        "most_memory": f"{(largest['peak_bytes'] - idle_bytes) / 1e6:.0f} MB",
        "memory_a_slice": f"{(largest['peak_bytes'] - idle_bytes) / largest['slices']:.0f} bytes",
        "step_4": _step(steps[4]),
        "step_72": _step(steps[_MOST_RANKS]),
        "step_memory_1": f"{(steps[_MOST_RANKS]['peak_bytes'][0] - idle_bytes) / 1e6:.0f} MB",
        "step_memory_58": f"{(steps[_MOST_RANKS]['peak_bytes'][-1] - idle_bytes) / 1e6:.0f} MB",
    }


def _machine(of: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {of[key]}" for name, key in _VERSIONS.items())
    return f"{of['cpu']} with {of['cores']} cores, {versions}, on {of['date']} after a load of {of['load_before']}"


def _rate(row: Row) -> float:
    return float(row["slices"] / row["seconds"])


def _speeds(rows: list[Row]) -> Iterator[tuple[str, str]]:
    """By ranks and pace: slices a second of each engine, and the loop's as a multiple of SimGrid's."""
    for ranks in sorted({row["ranks"] for row in rows}):
        for in_step in (True, False):
            yield f"speed_{ranks}_{'in' if in_step else 'out'}", _compared(rows, ranks, _USUAL_BYTES, in_step)


def _sizes(rows: list[Row]) -> Iterator[tuple[str, str]]:
    """By size of slices: the same where all engines ran all sizes, out of step."""
    for size in sorted({row["slice_bytes"] for row in rows}):
        yield f"size_{size >> 10}", _compared(rows, _RANKS_OF_SIZES, size, in_step=False)


def _compared(rows: list[Row], ranks: int, slice_bytes: int, in_step: bool) -> str:
    case = (ranks, slice_bytes, in_step)
    rates = {row["engine"]: _rate(row) for row in rows if (row["ranks"], row["slice_bytes"], row["in_step"]) == case}
    shown = [f"{float(f'{rates[engine]:.3g}'):,.0f}" for engine in ENGINES]
    return cells(*shown, f"{rates[_LOOP] / rates[_SIMGRID]:.1f}")


def _growth(rows: list[Row]) -> Iterator[tuple[str, str]]:
    """By engine: exponents with slices and with ranks, and of steps with layers, with the farthest point's distance."""
    names = {_LOOP: "loop", _SIMGRID: "simgrid", _SIMPY: "simpy", _PLAIN: "plain"}
    of = {(row["engine"], row["of"]): row for row in rows}
    for engine, name in names.items():
        yield f"growth_{name}", cells(*(_exponent(of[engine, size]) for size in ("slices", "ranks")))
    for row in rows:
        if row["of"] == "layers":
            yield f"growth_layers_{row['ranks']}", _exponent(row)


def _exponent(row: Row) -> str:
    return f"{row['exponent']:.2f} ({percent(row['off'], 0)})"


def _profiles(rows: list[Row]) -> Iterator[tuple[str, str]]:
    """By ranks: seconds of each phase a million slices, and shares of SimPy's modules."""
    for row in rows:
        if "shares" in row:
            parts = (f"{name} {percent(share, 0)}" for name, share in row["shares"].items())
            yield f"modules_{row['ranks']}", ", ".join(parts)
        else:
            yield f"phases_{row['ranks']}", cells(*(f"{seconds:.2f} s" for seconds in row["s_a_million"].values()))


def _first(rows: list[Row], engine: str) -> str:
    """How many slices of each rank it ran of the largest group, and of how many."""
    case = (engine, _MOST_RANKS, _USUAL_BYTES)
    row = next(row for row in rows if (row["engine"], row["ranks"], row["slice_bytes"]) == case)
    return f"{row['slices'] // _MOST_RANKS:,} of {row['of_slices'] // _MOST_RANKS:,}"


def _step(row: Row) -> str:
    return f"{row['seconds'][-1]:.2g} s"
