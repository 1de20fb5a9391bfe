"""Run one part of a node's examination in a process of its own, for so long and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from dwdp_hw.node.outcome import BAD, GOOD, OPEN, Outcome
from dwdp_hw.node.parts import Part
from dwdp_hw.node.said import said
from dwdp_sim.base.child_process import start_child
from dwdp_sim.base.errors import UNDECIDED

_MODULES = {"dwdp-hw": "dwdp_hw.app", "dwdp-advise": "dwdp_sim.advice.app"}
_POLL_S = 0.02
_ENDS_S = 5.0  # that a part has to end its ranks and to say how


def run_part(part: Part, folder: Path) -> Outcome:
    """Run `part` in `folder`, with a log of its output there.

    Returns:
        What came of it; a part that could not be run, failed or took too long is bad.
    """
    log = folder / f"{part.folder or part.name}.log"
    began = time.monotonic()
    with log.open("wb") as output:
        code = _run(part, folder, output.fileno())
    took_s = time.monotonic() - began
    words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = words[-1].strip() if words else "it said nothing"
    if code is None:
        return Outcome(part, BAD, f"took longer than {part.limit_s:g} s and was ended; {last}", took_s)
    if code == UNDECIDED:
        return Outcome(part, OPEN, said(part, folder) or last, took_s)
    if code < 0:
        return Outcome(part, BAD, f"was ended by {signal.Signals(-code).name}; {last}", took_s)
    return Outcome(part, GOOD if code == 0 else BAD, said(part, folder) or last, took_s)


def _run(part: Part, folder: Path, output: int) -> int | None:
    """The exit code; None if the time was over."""
    module = _MODULES[part.program]
    how: dict[str, Any] = {"stdout": output, "stderr": subprocess.STDOUT, "process_group": 0, "cwd": folder}
    with start_child(module, *part.words, **how) as child:
        try:
            ends_at = time.monotonic() + part.limit_s
            while child.poll() is None:  # wait() would wait longer once a signal has come
                if time.monotonic() > ends_at:
                    return None
                time.sleep(_POLL_S)
            return child.returncode
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process and what it has started, and wait for it."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(_ENDS_S)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
