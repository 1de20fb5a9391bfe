"""The published figures are well formed, and those derived from others follow from them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "measurements" / "published"
LINES = (FOLDER / "copy_engines.jsonl").read_text(encoding="utf-8").splitlines()
ROWS: list[dict[str, Any]] = [json.loads(line) for line in LINES]
BY_NAME = {row["name"]: row for row in ROWS}
TYPES: dict[str, type | tuple[type, ...]] = {
    "gpus": int,
    "machine": str,
    "name": str,
    "origin": str,
    "program": (dict, type(None)),
    "relation": str,
    "setup": str,
    "source": str,
    "unit": str,
    "usable": bool,
    "value": (int, float),
    "what": str,
    "why": str,
}
WORDS = {
    "origin": {"printed", "derived", "plot"},
    "relation": {"=", ">=", "<="},
    "unit": {"GB/s", "GiB/s", "us", "ms", "%", "1"},
}
PROGRAM_WORDS = {
    "pattern": {
        *("all_gather_pull", "all_gather_push", "all_to_all_push", "one_to_all_push", "ring_push"),
        *("pair", "pair_pull", "pair_push", "both_ways_push", "local", "layer_pool_pull", "dwdp_layer"),
    },
    "order": {"ascending", "rotated", "ring", "ascending and rotated", "unknown"},
    "calls": {"single", "batch", "waves"},
    "starts": {"alone", "together", "barrier", "random_phase", "free"},
    "own_copy": {"none", "before", "in_order"},
}
PROGRAM_KEYS = {*PROGRAM_WORDS, "ranks", "bytes_per_peer", "copies_per_wave"}
PROGRAMS = [row for row in ROWS if row["program"] is not None]


def value(name: str) -> float:
    return float(BY_NAME[name]["value"])


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(ROWS) > 0


@pytest.mark.parametrize("line", LINES, ids=names(ROWS))
def test_a_line_has_every_key_in_alphabetical_order(line: str) -> None:
    assert list(json.loads(line)) == sorted(TYPES)


@pytest.mark.parametrize("row", ROWS, ids=names(ROWS))
def test_values_have_their_type_and_texts_say_something(row: dict[str, Any]) -> None:
    for key, kind in TYPES.items():
        assert isinstance(row[key], kind), key
        assert not isinstance(row[key], str) or row[key].strip(), key
    assert not isinstance(row["value"], bool)
    assert math.isfinite(row["value"])
    assert row["value"] > 0
    assert row["gpus"] >= 1
    for key, words in WORDS.items():
        assert row[key] in words, key


@pytest.mark.parametrize("row", PROGRAMS, ids=names(PROGRAMS))
def test_a_program_says_everything_that_a_replay_needs(row: dict[str, Any]) -> None:
    program = row["program"]
    assert set(program) == PROGRAM_KEYS
    for key, words in PROGRAM_WORDS.items():
        assert program[key] in words, key
    assert program["ranks"] == row["gpus"]
    assert program["bytes_per_peer"] is None or program["bytes_per_peer"] > 0
    assert (program["copies_per_wave"] is not None) == (program["calls"] == "waves")


def test_a_usable_row_has_a_program_whose_order_is_known() -> None:
    usable = [row for row in ROWS if row["usable"]]
    assert usable
    for row in usable:
        assert row["program"] is not None, row["name"]
        assert row["program"]["order"] != "unknown", row["name"]


@pytest.mark.parametrize(
    ("machine", "calls", "smaller", "larger"),
    [
        ("gb200", "batch", (32 * 2**20, "32mb"), (512 * 2**20, "512mb")),
        ("gb300", "batch", (32 * 2**20, "32mb"), (512 * 2**20, "512mb")),
        ("gb200", "waves", (2**30, "1gb"), (8 * 2**30, "8gb")),
        ("gb300", "waves", (2**30, "1gb"), (8 * 2**30, "8gb")),
    ],
)
def test_slopes_of_all_gathers_follow_from_the_printed_ends(
    machine: str, calls: str, smaller: tuple[int, str], larger: tuple[int, str]
) -> None:
    """GB200, batch: 512 MiB at 590.04 GB/s is 909.9 µs, 32 MiB at 134.79 is 248.9: 63/64 · 503.3 MB in 661 µs."""
    name = f"{machine}x64_all_gather_push_{calls}"
    seconds = [size / (value(f"{name}_{label}") * 1e9) for size, label in (smaller, larger)]
    slope = 63 / 64 * (larger[0] - smaller[0]) / (seconds[1] - seconds[0])
    assert value(f"{name}_slope") == pytest.approx(slope / 1e9, abs=0.05)


@pytest.mark.parametrize("machine", ["gb200", "gb300"])
def test_the_cost_of_a_copy_is_what_bytes_leave_of_the_smallest_all_gather(machine: str) -> None:
    """GB200: 248.9 µs less 63 copies of 512 KiB at 780 GB/s (42.3 µs), over 63."""
    name = f"{machine}x64_all_gather_push_batch"
    left = 32 * 2**20 / (value(f"{name}_32mb") * 1e9) - 63 * 2**19 / 780e9
    assert value(f"{name}_cost_per_copy") == pytest.approx(left / 63 * 1e6, abs=0.005)


def test_the_slope_of_the_h20_pair_follows_from_its_printed_ends() -> None:
    """1 GiB at 389.74 GB/s is 2.755 ms and 256 MiB at 384.58 is 0.698, so 805.3 MB in 2.057 ms."""
    sizes = {"h20_pair_push_256mib": 2**28, "h20_pair_push_1024mib": 2**30}
    small, large = (size / (value(name) * 1e9) for name, size in sizes.items())
    assert value("h20_pair_push_slope") == pytest.approx(0.75 * 2**30 / (large - small) / 1e9, abs=0.05)


def test_a_layer_s_pulls_are_the_iteration_s_over_58_layers() -> None:
    assert value("gb200x4_dwdp_default_peer_copy_layer") == pytest.approx(
        value("gb200x4_dwdp_default_peer_copy_iteration") / 58, abs=0.005
    )
