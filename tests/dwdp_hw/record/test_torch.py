"""Torch's own copies are caught; tensors without memory (`meta`) stand in for those of a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dwdp_hw.record.conftest import Run, calls_of, lines_of

pytest.importorskip("torch")
SCRIPT = """
import torch
host, far = torch.zeros(100), torch.zeros(100, device="meta")
far.copy_(host)
host.to("meta")
host.to(far)
torch.nn.Linear(4, 2, bias=False).to("meta")
host.to("meta", torch.float16)
far.copy_(torch.zeros(200)[::2])
host.copy_(torch.ones(100))
assert host.to("cpu") is host and host.sum() == 100
"""

# The profiler imports eight hundred modules when it starts, which takes seconds on a busy machine.
UNTIL_THERE_IS_A_TRACE = """
import glob, time
latest_s = time.monotonic() + 60
while not glob.glob("records/trace-*.json") and time.monotonic() < latest_s:
    time.sleep(0.05)
"""


def test_copies_between_devices_are_caught_with_their_bytes_and_those_within_the_host_are_not(
    record: Run, tmp_path: Path
) -> None:
    script = tmp_path / "engine.py"
    script.write_text(SCRIPT)
    assert record(script).returncode == 0
    (lines,) = lines_of(tmp_path / "records")
    to = ("Tensor.to", [400], 0)
    assert calls_of(lines) == [("Tensor.copy_", [400], 0), to, to, ("Tensor.to", [32], 0)]
    assert {line["kind"] for line in lines if line["what"] == "allocation"} == {"unknown", "other"}
    assert lines[-1]["converted"] == 2


def test_a_compiled_function_copies_as_before(record: Run, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(
        "import torch\n"
        "@torch.compile(backend='eager', fullgraph=True)\n"
        "def f(a, b):\n"
        "    return a.copy_(b).to(torch.float64) + 1\n"
        "print(f(torch.zeros(3), torch.ones(3)).tolist())\n"
    )
    ended = record(script)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[2.0, 2.0, 2.0]"


def test_a_window_for_the_profiler_without_a_gpu_says_what_came_of_it(record: Run, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(SCRIPT + UNTIL_THERE_IS_A_TRACE)
    assert record(script, options=("--profile-after", "0", "--profile-for", "1")).returncode == 0
    (lines,) = lines_of(tmp_path / "records")
    (profile,) = [line for line in lines if line["what"] == "profile"]
    assert (tmp_path / "records" / profile["file"]).stat().st_size > 0
    assert profile["end_ns"] > profile["begin_ns"]
