"""A signal in the first moments of a command is one line as soon as anything of this project has been imported."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endings import CODES, REPOSITORY, catches_sigterm, temporary_files

MODULES = ("dwdp_sim.app", "dwdp_sim.advice.app", "dwdp_sim.report_app", "dwdp_hw.app", "dwdp_hw.dwdp_app")
# As the scripts that pip installs; `program` stands for their names.
_CODE = "import re, sys; from {module} import main; sys.argv[0] = 'program'; sys.exit(main())"
ARGUMENTS = {"dwdp_sim.report_app": ("page", "rows"), "dwdp_hw.dwdp_app": ("predict",)}
OTHERS = ("dwdp_sim", "dwdp_sim.base", "dwdp_sim.advice", "dwdp_hw", "dwdp_sim.base.early_signals", *MODULES)


@pytest.fixture(autouse=True)
def _sigint_is_heard() -> Iterator[None]:
    """A shell's background jobs, and what they start, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def strike(module: str, number: signal.Signals, after_s: float, folder: Path) -> bool:
    """Start a command, strike it after some time, and judge its end; whether it was answering signals by then."""
    command = [sys.executable, "-c", _CODE.format(module=module), *ARGUMENTS.get(module, ())]
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    time.sleep(after_s)
    heard = catches_sigterm(process.pid)
    over = process.poll() is not None
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    if over:
        return heard
    if process.returncode == CODES[number]:
        assert said in (f"program: {line}\n" for line in ("interrupted", "ended by SIGTERM"))
    else:  # Python's own end: by the signal, or in one of its imports
        assert not heard, said
        assert process.returncode in (-number, 1), said
        assert not said or (number is signal.SIGINT and "KeyboardInterrupt" in said)
        assert list(folder.iterdir()) == []
    # An import may swallow the exception; the command then goes on for the second that it has.
    assert list(folder.rglob("summary.json")) == temporary_files(folder) == []
    shutil.rmtree(folder / "outputs", ignore_errors=True)
    return heard


def test_strikes_in_the_first_moments_are_answered_or_python_s_own(tmp_path: Path) -> None:
    heard = [
        strike("dwdp_sim.app", number, after_s, tmp_path)
        for number in (signal.SIGINT, signal.SIGTERM)
        for after_s in (0.0, 0.02, 0.05, 0.1, 0.2)
    ]
    assert not heard[0]
    assert any(heard)


@pytest.mark.long
@pytest.mark.parametrize("module", MODULES)
def test_many_strikes_in_the_first_moments_are_answered_or_python_s_own(module: str, tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        for milliseconds in range(0, 201, 5):
            strike(module, number, milliseconds / 1000, tmp_path)


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_this_project_is_imported_before_signals_are_answered(module: str) -> None:
    code = (
        f"import re, sys; import {module}\n"
        "print(*(name for name in sys.modules if name.startswith(('dwdp_', 'typing', 'threading'))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    loaded = subprocess.check_output([sys.executable, "-S", "-c", code], text=True, env=environment).split()
    assert set(loaded) <= set(OTHERS), loaded
