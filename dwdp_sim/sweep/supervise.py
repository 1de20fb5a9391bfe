"""`dwdp-sim -m … results_dir=…`: run a sweep in a child process, and start the child again when it is killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dwdp_sim.base.errors import ConfigError, stop
from dwdp_sim.job.schema import SweepConfig
from dwdp_sim.sweep.results_folder import Folder

_INTERRUPTED = 130
_DELIBERATE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # a user ends the sweep with these; others are crashes


def run_sweep(config_name: str, arguments: Sequence[str], results_dir: str, how: SweepConfig) -> int:
    """Run a sweep to its end, whatever happens to the process that runs it.

    Args:
        config_name: Primary configuration.
        arguments: The command line, without the program's name.
        results_dir: Where rows go.
        how: How to run it.

    Returns:
        Exit code: 0, 1 if jobs failed, 2 for bad input or a sweep that cannot go on, 130 if interrupted.

    Raises:
        ConfigError: `how` or `results_dir` has a value that is not allowed.
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
        if code >= 0:
            return code
        if -code in _DELIBERATE or folder.traces() == before:
            stop(f"the sweep was ended by {signal.Signals(-code).name}; the same command goes on from here")


def _run_child(arguments: Sequence[str]) -> int:
    """Run `dwdp_sim.sweep.child_process`, which ends when the pipe that it shares with this process closes."""
    theirs, ours = os.pipe()
    try:
        command = [sys.executable, "-m", "dwdp_sim.sweep.child_process", str(theirs), *arguments]
        child = subprocess.Popen(command, pass_fds=[theirs])
        try:
            return child.wait()
        except KeyboardInterrupt:  # a terminal tells the child, too; others may not
            child.send_signal(signal.SIGINT)
            child.wait()
            return _INTERRUPTED
    finally:
        os.close(theirs)
        os.close(ours)
