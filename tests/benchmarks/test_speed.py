"""The benchmark of the engines, as far as it can be tested without a clock."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread
from rich.console import Console
from rich.table import Table

from benchmarks.speed import table
from benchmarks.speed.__main__ import main
from benchmarks.speed.cases import MIB, RANKS, USUAL_SLICE_BYTES, Case, all_cases, first_slices, layer
from benchmarks.speed.engines import (
    ENGINES,
    LOOP,
    PLAIN,
    SIMGRID,
    SIMPY,
    SIMULATE,
    Measured,
    alone,
    measure,
    peak_bytes,
)
from benchmarks.speed.picture import draw_speed
from benchmarks.speed.results import COUNTED_SLICES, SIMPY_EVENTS, check, engines_of, simpy_events

ROOT = Path(__file__).resolve().parents[2]
CONTENT: dict[str, Any] = json.loads((ROOT / "docs/data/speed.json").read_text(encoding="utf-8"))


def row(engine: str, slices: int, seconds: float, peak_bytes: int = 0) -> dict[str, Any]:
    case = {"ranks": 4, "slice_bytes": MIB // 4, "in_step": False, "of_slices": 1000}
    return {**case, "engine": engine, "slices": slices, "seconds": seconds, "spread": 0.25, "peak_bytes": peak_bytes}


def shown(made: Table) -> str:
    console = Console(width=200, record=True, file=StringIO())
    console.print(made)
    return " ".join(console.export_text().replace("│", " ").split())


def test_a_line_of_the_table_has_rates_marks_of_first_slices_and_ratios() -> None:
    rows = [row(LOOP, 1000, 0.001), row(SIMULATE, 1000, 0.002), row(SIMGRID, 1000, 0.01), row(SIMPY, 50, 0.5)]
    assert "4 0.25 out of step 1,000 1,000,000 500,000 100,000 100* 10.0 10,000.0" in shown(table.speeds(rows))


def test_an_engine_that_did_not_run_has_no_cells() -> None:
    assert "4 0.25 out of step 1,000 1,000,000 500,000 └" in shown(
        table.speeds([row(LOOP, 1000, 0.001), row(SIMULATE, 1000, 0.002)])
    )


def test_memory_is_what_is_beyond_the_idle_process_of_the_same_kind() -> None:
    rows = [row(LOOP, 1000, 0.001, 150_000_000), row(SIMGRID, 1000, 0.01, 40_000_000)]
    text = shown(table.memory(rows, {"Python": 90_000_000, SIMGRID: 35_000_000}))
    assert "60 | 1 +25 %" in text
    assert "5 | 10 +25 %" in text


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_simpy_has_as_many_events_as_it_must(ranks: int) -> None:
    for in_step, events in zip((True, False), SIMPY_EVENTS[ranks], strict=True):
        program = first_slices(layer(Case(ranks, USUAL_SLICE_BYTES, in_step)), COUNTED_SLICES)
        assert simpy_events(program) == events


@pytest.mark.parametrize("case", [case for case in all_cases() if case.slices < 50_000 and case.in_step], ids=str)
def test_a_layer_has_the_slices_that_were_worked_out_by_hand(case: Case) -> None:
    assert len(layer(case).copy_bytes) == case.slices


@pytest.mark.parametrize("wrong", [LOOP, SIMPY, PLAIN])
def test_a_wrong_answer_ends_the_benchmark(wrong: str) -> None:
    case = Case(4, 16 * MIB, in_step=False)
    engines = (LOOP, SIMULATE, SIMPY, PLAIN)
    programs = dict.fromkeys(engines, first_slices(layer(case), 5))
    found = {engine: measure(engine, programs[engine]) for engine in engines}
    check(case, programs, found, None)
    off = replace(found[wrong], ends_s=found[wrong].ends_s * (1 + 1e-8))
    with pytest.raises(AssertionError):
        check(case, programs, {**found, wrong: off}, None)


def test_a_measuring_process_has_nothing_of_its_parent_s_memory() -> None:
    before = alone(peak_bytes)
    kept = bytearray(os.urandom(1)) * 400_000_000
    assert peak_bytes() > len(kept)
    assert alone(peak_bytes) < before + len(kept) / 10


def test_the_fastest_repetition_counts_and_the_median_says_how_far_it_scatters() -> None:
    program = layer(Case(2, 16 * MIB, in_step=True))
    found = Measured([3.0, 2.0, 5.0], 0, program.stream_start_s)
    assert (found.least_s, found.spread) == (2.0, 0.5)


def test_the_committed_data_have_every_case_and_engine() -> None:
    expected = [(case, engine) for case in all_cases() for engine in engines_of(case, Path())]
    rows = CONTENT["rows"]
    assert [(Case(r["ranks"], r["slice_bytes"], r["in_step"]), r["engine"]) for r in rows] == expected
    assert {engine for _, engine in expected} == set(ENGINES)
    assert {case.ranks for case, _ in expected} == set(RANKS)


def test_the_picture_of_the_committed_data_is_as_wide_as_a_page(tmp_path: Path) -> None:
    draw_speed(tmp_path / "speed.png", CONTENT)
    assert imread(tmp_path / "speed.png").shape[1] == 930


def test_an_unknown_argument_is_refused_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^arguments=fast: allowed: none, or all$"):
        main(["fast"])
