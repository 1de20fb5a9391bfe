"""`dwdp-sim -m … results_dir=…`: run a sweep in a child process, and start the child again when it is killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dwdp_sim.base.child_process import group_ending_with_this_process, start_child
from dwdp_sim.base.endings import Ended
from dwdp_sim.base.errors import ConfigError, stop
from dwdp_sim.job.schema import SweepConfig
from dwdp_sim.sweep.results_folder import Folder

_DELIBERATE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # a user ends the sweep with these; others are crashes
_HINT = "the same command goes on from here"
_POLL_S = 0.02
_CHILD_ENDS_S = 0.5  # less than this process has itself
_SILENT = "ignore:resource_tracker"  # joblib's, which tidies up behind workers that have been ended


def run_sweep(config_name: str, arguments: Sequence[str], results_dir: str, how: SweepConfig) -> int:
    """Run a sweep to its end, whatever happens to the process that runs it.

    Args:
        config_name: Primary configuration.
        arguments: The command line, without the program's name.
        results_dir: Where rows go.
        how: How to run it.

    Returns:
        Exit code: 0, 1 if jobs failed, 2 for bad input or a sweep that cannot go on.

    Raises:
        ConfigError: `how` or `results_dir` has a value that is not allowed.
        Ended: By a signal, with the child.
    """
    for key in ("workers", "attempts"):
        value = getattr(how, key)
        if value is not None and value < 1:
            raise ConfigError(f"sweep.{key}", value, "at least 1 is wanted")
    if not results_dir.strip():
        raise ConfigError("results_dir", "''", "a folder is wanted")
    folder = Folder(Path(results_dir).absolute())
    sweep = secrets.token_hex(8)
    while True:
        before = folder.traces()
        code = _run_child([str(folder.path), sweep, config_name, *arguments])
        number = code - 128 if code > 128 else -code
        if number <= 0:
            return code
        if number in _DELIBERATE:
            stop(f"the sweep was ended by {signal.Signals(number).name}; {_HINT}", 128 + number)
        if folder.traces() == before:
            stop(f"the sweep was ended by {signal.Signals(number).name}; {_HINT}")


def _run_child(arguments: Sequence[str]) -> int:
    """Run `dwdp_sim.sweep.child_process`; a signal to this process ends both, and what launchers have started."""
    environment = {**os.environ, "PYTHONWARNINGS": _SILENT}
    starting = start_child("dwdp_sim.sweep.child_process", *arguments, env=environment, process_group=0)
    with starting as child, group_ending_with_this_process(child.pid):
        try:
            while child.poll() is None:  # wait() would wait longer once a signal has come
                time.sleep(_POLL_S)
        except Ended as ended:
            ended.hint = _HINT
            _end(child)
            raise
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
        return child.returncode


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_CHILD_ENDS_S)
    except subprocess.TimeoutExpired:
        child.kill()
