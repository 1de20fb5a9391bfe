"""Machine code of the compiled engine: kept on disk, loaded without numba, and only if nobody else can change it."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.fabric.compiled import code_file
from dwdp_sim.fabric.compiled.code_file import keep_code, read_code
from dwdp_sim.fabric.compiled.links import clock_step
from dwdp_sim.fabric.compiled.machine_code import MachineCode

CODE = MachineCode("entry", b"\x7fELF\n\0and more")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found = [tmp_path / "beside the source", tmp_path / "of the user"]
    monkeypatch.setattr(code_file, "_folders", lambda: iter(found))
    return found


def test_code_is_read_as_it_was_kept_and_only_by_its_key(folders: list[Path]) -> None:
    assert read_code("key") is None
    keep_code("key", CODE)
    assert read_code("key") == CODE
    assert read_code("other") is None


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: c[:40] + b"?" + c[41:], lambda c: b"", lambda c: c + b"0"]
)
def test_damaged_code_is_not_loaded(folders: list[Path], change: Callable[[bytes], bytes]) -> None:
    keep_code("key", CODE)
    (path,) = folders[0].iterdir()
    path.write_bytes(change(path.read_bytes()))
    assert read_code("key") is None
    keep_code("key", CODE)
    assert read_code("key") == CODE


def test_a_folder_that_cannot_be_written_to_leaves_the_code_to_the_next(folders: list[Path]) -> None:
    folders[0].write_text("a file")
    keep_code("key", CODE)
    assert read_code("key") == CODE
    assert len(list(folders[1].iterdir())) == 1


def test_where_nothing_can_be_written_nothing_is_kept(folders: list[Path]) -> None:
    for folder in folders:
        folder.write_text("a file")
    keep_code("key", CODE)
    assert read_code("key") is None


def test_code_that_others_could_have_changed_is_neither_read_nor_written_there(folders: list[Path]) -> None:
    keep_code("key", CODE)
    (path,) = folders[0].iterdir()
    path.chmod(0o666)
    assert read_code("key") is None
    path.chmod(0o644)
    folders[0].chmod(0o777)
    assert read_code("key") is None
    keep_code("key", CODE)
    assert len(list(folders[1].iterdir())) == 1
    assert read_code("key") == CODE


@given(st.floats(0.0, 1e300))
def test_the_step_of_the_clock_is_the_unit_in_its_last_place(now_s: float) -> None:
    assert clock_step.py_func(now_s) == math.ulp(now_s)


_RUN = """
import sys
from pathlib import Path
from dwdp_sim.fabric.compiled import code_file
from tests.dwdp_sim.programs import batch, program, queue, run
code_file._folders = lambda: iter([Path(sys.argv[1])])
if sys.argv[2] == "apart":
    from dwdp_sim.fabric.compiled import parts
    parts._TRIED_NUMBA = ()
of = program(*(queue(gpu, batch(*[(peer, gpu, 1 << 20) for peer in range(4) if peer != gpu] * 9)) for gpu in range(4)))
found, expected = (run(of, engine=engine) for engine in ("compiled", "simpy"))
assert (found.copy_end_s == expected.copy_end_s).all() and len(found.copy_end_s) == 108
print("numba" in sys.modules)
"""


@pytest.mark.long
@pytest.mark.parametrize("way", ["together", "apart"])
def test_the_first_start_compiles_and_says_so_and_the_next_does_without_numba(tmp_path: Path, way: str) -> None:
    def start() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", _RUN, str(tmp_path), way]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    first, second = start(), start()
    assert first.stderr.startswith("Compiling the simulator's engine")
    assert (first.stdout, second.stdout) == ("True\n", "True\n" if way == "apart" else "False\n")
    assert second.stderr == ""
