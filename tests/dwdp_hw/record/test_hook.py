"""What is caught in an engine's processes, however they import, start and end, and what is left as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.dwdp_hw.record.conftest import HERE, REPOSITORY, Run, calls_of, lines_of, python

PREPARED = """
import {module}
r = {name}
_, a = r.cudaMalloc(4096)
_, b = r.cudaMalloc(4096)
kind = r.cudaMemcpyKind.cudaMemcpyDefault
"""
RUNTIME = PREPARED.format(module="cuda.bindings.runtime", name="cuda.bindings.runtime")
CALLS = """
print(r.cudaMemcpyAsync(a, b, 100, kind, 0)[0].name)
print(r.cudaMemcpyPeerAsync(a, 0, b, 0, count=200, stream=9)[0].name)
sizes = [300, 400]
print(r.cudaMemcpyBatchAsync([a, a + 300], [b, b + 300], sizes, 2, [None], [0], 1, 9)[0].name)
sizes.clear()
"""
CAUGHT = [("cudaMemcpyAsync", [100], 0), ("cudaMemcpyPeerAsync", [200], 0), ("cudaMemcpyBatchAsync", [300, 400], 0)]
FORMS = {
    "from cuda.bindings import runtime": "from cuda.bindings import runtime as r",
    "import cuda.bindings.runtime": "import cuda.bindings.runtime; r = cuda.bindings.runtime",
    "importlib": "import importlib; r = importlib.import_module('cuda.bindings.runtime')",
    "names of it": "from cuda.bindings.runtime import *; import sys; r = sys.modules[__name__]",
    "looked for first": "import importlib.util; importlib.util.find_spec('cuda.bindings.runtime')\n"
    "import cuda.bindings.runtime as r",
    "from cuda import cudart": "from cuda import cudart as r",
}


@pytest.mark.parametrize("form", FORMS)
def test_calls_are_caught_however_the_module_was_imported(form: str, record: Run, tmp_path: Path) -> None:
    prepared = RUNTIME.split("\n", 3)[-1]
    script = tmp_path / "engine.py"
    script.write_text(f"{FORMS[form]}\n{prepared}{CALLS}")
    ended = record(script)
    assert (ended.returncode, ended.stdout.split()) == (0, ["cudaSuccess"] * 3), ended.stderr
    (lines,) = lines_of(tmp_path / "records")
    assert calls_of(lines) == CAUGHT
    assert [line["stream"] for line in lines if line["what"] == "call"] == [0, 1, 1]
    assert {**lines[-1]} == {"what": "end", "calls": 3, "lost": 0, "left_out": 0, "unread": 0, "converted": 0}


def test_a_record_holds_places_in_allocations_and_no_address_path_or_host_name(record: Run, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(RUNTIME + "print(a, b)" + CALLS)
    ended = record(script)
    (lines,) = lines_of(tmp_path / "records")
    kinds = [(line["kind"], line["device"], line["bytes"]) for line in lines if line["what"] == "allocation"]
    assert kinds == [("device", 0, 4096)] * 2
    batch = next(line for line in lines if line["what"] == "copies" and len(line["bytes"]) == 2)
    assert (batch["src_offset"], batch["dst_offset"]) == ([0, 300], [0, 300])
    text = json.dumps(lines)
    assert not any(word in text for word in (*ended.stdout.split()[:2], os.uname().nodename, str(tmp_path)))


def test_calls_that_failed_and_arguments_nobody_knows_are_noted_and_hurt_nothing(record: Run, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(
        RUNTIME + "print(r.cudaMemcpyAsync(5, b, 100, kind, 0)[0].name)\nr.cudaMemcpyAsync(a, b, 1, kind, '?')"
    )
    assert record(script).stdout.split() == ["cudaErrorInvalidValue"]
    (lines,) = lines_of(tmp_path / "records")
    assert calls_of(lines) == [("cudaMemcpyAsync", [100], 1)]
    assert lines[-1]["unread"] == 1


WORKERS = """
import multiprocessing, os, sys
def work(number):
    r.cudaMemcpyAsync(a, b, number, kind, 0)
if __name__ == "__main__":
    for number, how in enumerate(("fork", "spawn"), 1):
        worker = multiprocessing.get_context(how).Process(target=work, args=(number,))
        worker.start(); worker.join()
    if not os.fork():
        work(3); os._exit(0)
    os.wait()
    work(4)
"""


def test_every_process_has_a_record_of_its_own_however_it_was_started(record: Run, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    script.write_text(RUNTIME + WORKERS)
    assert record(script).returncode == 0
    records = lines_of(tmp_path / "records")
    caught = {calls_of(lines)[0][1][0]: lines for lines in records if calls_of(lines)}
    assert sorted(caught) == [1, 2, 3, 4]
    assert all(len(calls_of(lines)) == 1 and lines[-1]["what"] == "end" for lines in caught.values())
    assert {caught[n][0]["parent"] for n in (1, 2, 3)} == {caught[4][0]["process"]}


def test_a_killed_process_loses_only_its_last_moment(record: Run, tmp_path: Path) -> None:
    script = tmp_path / "engine.py"
    killed = "import os, signal, time\ntime.sleep(1.5)\nr.cudaMemcpyAsync(a, b, 7, kind, 0)\nos.kill(os.getpid(), 9)"
    script.write_text(RUNTIME + CALLS + killed)
    assert record(script).returncode == 128 + signal.SIGKILL
    (lines,) = lines_of(tmp_path / "records")
    assert calls_of(lines) == CAUGHT
    assert lines[-1]["what"] == "call"


def test_a_sitecustomize_that_was_there_runs_as_before(
    record: Run, tmp_path: Path, environment: dict[str, str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("print('own', __name__)")
    script = tmp_path / "engine.py"
    script.write_text("import sitecustomize; print(sitecustomize.__file__)" + RUNTIME + CALLS)
    ended = record(script, PYTHONPATH=os.pathsep.join((str(own), environment["PYTHONPATH"])))
    of_the_engine = ended.stdout.splitlines()[1:]  # the recorder's own process has that one, too
    assert of_the_engine[:2] == ["own sitecustomize", str(own / "sitecustomize.py")]
    assert calls_of(lines_of(tmp_path / "records")[0]) == CAUGHT


def test_a_process_that_ignores_the_environment_is_not_recorded(record: Run, tmp_path: Path) -> None:
    ended = record("-I", "-c", "print(1)")
    assert ended.returncode == 0
    assert "no process was recorded" in ended.stderr
    assert lines_of(tmp_path / "records") == []


def test_nothing_but_the_standard_library_comes_into_the_engine_and_its_path_stays_as_it_was(record: Run) -> None:
    said = "[m for m in sys.modules if m.split('.')[0] not in sys.stdlib_module_names]"
    script = f"import sitecustomize, sys; print({said}); print(sys.path)"
    ended = record("-S", "-c", script, PYTHONPATH=f"/first:{REPOSITORY}")
    modules, path = ended.stdout.splitlines()
    others = [name for name in eval(modules) if not name.startswith(("dwdp_hw", "__main__", "sitecustomize"))]
    assert others == []
    assert eval(path)[1:4] == [str(REPOSITORY / "dwdp_hw/record/hook"), "/first", str(REPOSITORY)]
    assert str(REPOSITORY) not in eval(path)[4:]


def test_a_recorder_that_cannot_write_says_so_and_the_engine_goes_on(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    script = tmp_path / "engine.py"
    script.write_text(RUNTIME + CALLS + "import time; time.sleep(1); print('done')")
    path = os.pathsep.join((str(REPOSITORY / "dwdp_hw/record/hook"), environment["PYTHONPATH"]))
    gone = {**environment, "PYTHONPATH": path, "DWDP_RECORD_FOLDER": str(tmp_path / "gone")}
    ended = python(tmp_path, gone, str(script))
    assert (ended.returncode, ended.stdout.split()[-1]) == (0, "done")
    assert "dwdp_hw.record: recording ends: FileNotFoundError" in ended.stderr


@pytest.mark.parametrize(("asked", "code"), [(signal.SIGTERM, 41), (signal.SIGINT, 42)])
def test_signals_reach_the_engine_s_whole_group_and_its_own_exit_code_comes_back(
    asked: signal.Signals, code: int, tmp_path: Path, environment: dict[str, str]
) -> None:
    script = tmp_path / "engine.py"
    script.write_text(
        "import os, signal, sys, time\n"
        "child = os.fork()\n"
        "codes = {signal.SIGTERM: 41, signal.SIGINT: 42}\n"
        "def end(number, _):\n"
        "    if child: os.waitpid(child, 0)\n"
        "    os.write(1, b'ended\\n'); os._exit(codes[number])\n"
        "for number in codes: signal.signal(number, end)\n"
        "os.write(1, b'ready\\n')\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-m", "dwdp_hw.record", "--out", "records", "--", sys.executable, str(script)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert [running.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
        running.send_signal(asked)
        assert running.wait(20) == code
        assert running.stdout.read() == "ended\nended\n"


def test_an_engine_that_will_not_end_is_killed_after_a_while(tmp_path: Path, environment: dict[str, str]) -> None:
    waiting = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    launcher = (
        "import os, sys; from dwdp_hw.record.run_child import run_child;"
        f"sys.exit(run_child([sys.executable, '-c', {waiting!r}], os.environ, ending_s=0.5))"
    )
    command = [sys.executable, "-c", launcher]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        asked = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 128 + signal.SIGKILL
        assert time.monotonic() - asked >= 0.5


def test_the_stand_in_is_no_part_of_what_is_installed() -> None:
    assert REPOSITORY / "dwdp_hw" not in HERE.parents
