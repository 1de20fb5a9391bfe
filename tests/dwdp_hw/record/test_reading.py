"""A record is read whole, or as far as a killed process wrote it, or refused in one line that names the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.record.reading import read_record, read_records
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import DEFAULT
from dwdp_sim.plan.strategy import Strategy
from tests.dwdp_hw.record.record_files import lines_of_rank, write_record

Lines = list[dict[str, Any]]
PLAN = build_plan(MoEModel("m", 64, 48, 4, 1, 2, 2, "nvfp4"), Placement.create(4, 2), Strategy(DEFAULT, "sglang"))


@pytest.fixture
def lines() -> Lines:
    return lines_of_rank(PLAN, 0)


def test_what_was_written_is_read(lines: Lines, tmp_path: Path) -> None:
    record = read_record(str(write_record(tmp_path, 0, lines)))
    assert len(record.calls) == 3 * 2 * 2
    assert (len(record.allocations), len(record.copies)) == (4, 6)
    assert record.process.process == 100
    assert record.end is not None


def test_a_last_line_without_its_end_is_left_out(lines: Lines, tmp_path: Path) -> None:
    path = write_record(tmp_path, 0, lines[:-1])
    path.write_bytes(path.read_bytes()[:-20])
    record = read_record(str(path))
    assert len(record.calls) == 3 * 2 * 2 - 1
    assert record.end is None


def _no_process(lines: Lines) -> None:
    lines.pop(0)


def _future(lines: Lines) -> None:
    lines[0]["format"] = 3


def _unknown_memory(lines: Lines) -> None:
    next(line for line in lines if line["what"] == "copies")["src"][0] = 77


def _unknown_copies(lines: Lines) -> None:
    lines[-2]["copies"] = 77


def _uneven(lines: Lines) -> None:
    next(line for line in lines if line["what"] == "copies")["bytes"].append(1)


def _backwards(lines: Lines) -> None:
    lines[-2]["end_ns"] = 0


def _twice(lines: Lines) -> None:
    lines[-2]["order"] = 0


def _after_the_end(lines: Lines) -> None:
    lines.append(lines[-2])


def _another_key(lines: Lines) -> None:
    lines[-2]["host"] = "me"


def _text(lines: Lines) -> None:
    lines[-2]["begin_ns"] = "soon"


def _another_folder(lines: Lines) -> None:
    lines.insert(2, {"what": "profile", "file": "../../etc/passwd"})


DAMAGED: dict[Callable[[Lines], None], str] = {
    _no_process: "line 1: the first line, and no other, is the process",
    _future: "line 1: has format 3; this version reads 1 to 2",
    _unknown_memory: "line 7: copies 0 are there twice, or in an allocation that is not above",
    _unknown_copies: "line 24: names copies 77, which are not above",
    _uneven: "line 7: has columns of different lengths",
    _backwards: "line 24: ends before it begins",
    _twice: "the file: has call 0 twice",
    _after_the_end: "line 26: the first line, and no other, is the process; nothing comes after the end",
    _another_key: "line 24 has the unknown field 'host'",
    _text: "line 24.begin_ns",
    _another_folder: "line 3.file",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_record_is_refused_with_its_line(
    damage: Callable[[Lines], None], lines: Lines, tmp_path: Path
) -> None:
    damage(lines)
    path = write_record(tmp_path, 0, lines)
    with pytest.raises(ConfigError) as caught:
        read_record(str(path))
    assert str(caught.value).startswith(f"trace={path}: {DAMAGED[damage]}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00", b"[]\n", b'{"what": "summary"}\n', b"\xff\xfe\n"])
def test_a_foreign_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "record-0.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="trace="):
        read_records(str(tmp_path))


def test_a_record_whose_middle_is_gone_is_refused(lines: Lines, tmp_path: Path) -> None:
    path = write_record(tmp_path, 0, lines)
    data = path.read_bytes()
    path.write_bytes(data[:700] + data[900:])
    with pytest.raises(ConfigError, match=r"record-.*\.jsonl: .*line \d+|cannot be read as JSON"):
        read_record(str(path))


def test_records_are_in_the_order_of_their_first_calls(lines: Lines, tmp_path: Path) -> None:
    late = json.loads(json.dumps(lines))
    for line in late:
        if line["what"] == "call":
            line["begin_ns"] += 10**9
            line["end_ns"] += 10**9
    write_record(tmp_path, 0, late)
    write_record(tmp_path, 1, lines)
    assert [record.calls[0].begin_ns for record in read_records(str(tmp_path))] == [0, 10**9]
