from __future__ import annotations

import json
import tracemalloc
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program_file import MOST_COPIES, program_from_dict, read_program

PULL = {"issue": "async", "src": "gpu1", "dst": "gpu0", "bytes": 1048576, "count": 3}
BATCH = {
    "issue": "batch",
    "copies": [{"src": "gpu1", "dst": "gpu0", "bytes": 10, "count": 2}, {"src": "host", "dst": "gpu0", "bytes": 20}],
}


def program(*calls: Any, **stream: Any) -> dict[str, Any]:
    return {"streams": [{"gpu": 0, "calls": list(calls), **stream}]}


def test_calls_and_copies_are_read_in_order_and_a_count_repeats_its_entry_first() -> None:
    read = program_from_dict(program(PULL, BATCH, start_s=0.5, queued=False), 2)
    assert read.copy_bytes.tolist() == [1048576] * 3 + [10, 10, 20]
    assert read.copy_src.tolist() == [1, 1, 1, 1, 1, HOST]
    assert read.call_first_copy.tolist() == [0, 1, 2, 3, 6]
    assert read.call_issue.tolist() == [0, 0, 0, 1]
    assert (read.stream_start_s.tolist(), read.stream_queued.tolist()) == ([0.5], [False])


def test_a_file_is_read_as_the_same_program(tmp_path: Path) -> None:
    path = tmp_path / "program.json"
    path.write_text(json.dumps(program(PULL)))
    assert read_program(str(path), 2).copy_bytes.tolist() == [1048576] * 3


def broken(where: str, **changes: Any) -> tuple[dict[str, Any], str]:
    content = deepcopy(program(PULL, BATCH))
    place: Any = content["streams"][0]
    if where.startswith("call"):
        place = place["calls"][0]
    if where.startswith("copy"):
        place = place["calls"][1]["copies"][0]
    place.update(changes)
    return content, where


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (broken("call", src="gpu2")[0], r"streams\[0\]\.calls\[0\]\.src is gpu2; allowed: host or gpu0 … gpu1"),
        (broken("call", dst="cpu")[0], r"calls\[0\]\.dst is cpu"),
        (broken("call", src=1)[0], r"calls\[0\]\.src is 1; expected `str`"),
        (broken("call", src="gpu1\n")[0], r"calls\[0\]\.src is gpu1\\n; allowed"),
        (broken("call", src="gpu１")[0], r"calls\[0\]\.src is gpu１"),
        (broken("call", src="gpu" + "9" * 5000)[0], r"calls\[0\]\.src is gpu9{197}…"),
        (broken("call", src=[["gpu1"]])[0], r"calls\[0\]\.src is a list of 1"),
        (broken("call", bytes=10**100)[0], r"bytes is 10{100}; "),
        (broken("call", bytes=-1)[0], r"calls\[0\]\.bytes is -1; expected `int` >= 1"),
        (broken("call", bytes=0)[0], r"bytes is 0"),
        (broken("call", bytes=1.5)[0], r"bytes is 1\.5"),
        (broken("call", bytes=True)[0], r"bytes is true"),
        (broken("call", count=0)[0], r"count is 0"),
        (broken("call", count=20_000_000)[0], r"count is 20000000; expected `int` <= 2000000"),
        (program(*[PULL | {"count": 1_000_000}] * 3), r"calls\[2\]\.count is 1000000; allowed: at most 2000000 copies"),
        (broken("call", issue="batched")[0], r"issue is batched; allowed: async, batch"),
        (broken("call", size=3)[0], r"calls\[0\] has the unknown field .size.; known: src, dst, bytes, count"),
        (broken("call", src="host", dst="gpu1")[0], r"host to gpu1; allowed: the stream's own gpu0"),
        (broken("copy", bytes=-5)[0], r"calls\[1\]\.copies\[0\]\.bytes is -5"),
        (broken("stream", gpu=2)[0], r"streams\[0\]\.gpu is 2; allowed: a whole number from 0 to 1"),
        (broken("stream", start_s=-1)[0], r"start_s is -1; expected `float` >= 0"),
        (broken("stream", start_s=1e300)[0], r"start_s is 1e\+300; expected `float` <= 1000000"),
        (broken("stream", start_s=float("nan"))[0], r"start_s is NaN"),
        (broken("stream", start_s=float("inf"))[0], r"start_s is Infinity"),
        (broken("stream", queued="yes")[0], r"queued is yes; expected `bool`"),
        (broken("stream", calls=[])[0], r"calls is a list of 0; expected `array` of length >= 1"),
        ({"streams": []}, r"streams is a list of 0"),
        ({}, "the file lacks the field .streams."),
        ([], "the file is a list of 0; expected `object`"),
        ({"streams": [3]}, r"streams\[0\] is 3; expected `object`"),
        (program({"issue": "async", "src": "gpu1", "dst": "gpu0"}), r"calls\[0\] lacks the field .bytes."),
        (program(3), r"calls\[0\] is 3; expected `object`"),
    ],
)
def test_what_is_not_allowed_is_refused_naming_its_place(content: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"^workload\.file=p\.json: .*{reason}"):
        program_from_dict(content, 2, "p.json")


def test_the_page_on_replays_says_how_many_copies_a_program_may_have() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "replay.md"
    assert f"at most {MOST_COPIES:,} copies" in page.read_text(encoding="utf-8")


def test_as_many_copies_as_are_allowed_are_columns_and_nothing_else() -> None:
    tracemalloc.start()
    read = program_from_dict(program(PULL | {"count": MOST_COPIES}), 2)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(read.copy_bytes) == MOST_COPIES
    assert most_bytes < 300 * MOST_COPIES
