"""Commands as processes that are struck by a signal, and what they may not leave."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ENDS_WITHIN_S, GONE_WITHIN_S = 4.0, 4.0  # a second or two, and as much for a machine that does other things
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-\d+-\d+-[0-9a-f]{8}")
# A shell's background jobs, and what they start, ignore SIGINT unless told otherwise.
_CODE = "import signal; signal.signal(2, signal.default_int_handler); from {module} import main; main()"


@dataclass(frozen=True)
class End:
    """How a command ended: its exit code, what it wrote to standard error, and how long it took after the signal."""

    code: int
    lines: list[str]
    after_s: float


class Command:
    """A running command, in a folder of its own, whose descendants can be told by a mark in their environment."""

    def __init__(self, module: str, arguments: Sequence[str], folder: Path) -> None:
        self._mark = uuid.uuid4().hex
        self._errors = folder.parent / f"{self._mark}.err"
        path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path, "DWDP_TEST_MARK": self._mark, "PYTHONWARNINGS": ""}
        command = [sys.executable, "-c", _CODE.format(module=module), *arguments]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
            )

    def wait_until_it_listens(self) -> None:
        """Return once it has a way of its own to end; before that the interpreter starts."""
        while self._process.poll() is None and not catches_sigterm(self._process.pid):
            time.sleep(0.005)

    @property
    def said(self) -> str:
        """What it has written to standard error so far."""
        return self._errors.read_text()

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def descendants(self) -> list[int]:
        """Processes that it has started, and those of these, that run."""
        return [pid for pid in _running_with(self._mark) if pid != self._process.pid]

    def strike(self, number: signal.Signals, pid: int | None = None) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid if pid is None else pid, number)

    def end(self, within_s: float = ENDS_WITHIN_S) -> End:
        """Wait for its end, which must come in time, and for all that it has started."""
        struck = time.monotonic()
        try:
            self._process.wait(within_s)
            after_s = time.monotonic() - struck
            deadline = time.monotonic() + GONE_WITHIN_S
            while (left := _running_with(self._mark)) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert left == [], [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
        finally:
            for pid in _running_with(self._mark):
                os.kill(pid, signal.SIGKILL)
            self._process.wait()
        lines = self._errors.read_text().splitlines()
        return End(self._process.returncode, [line for line in lines if "Compiling the simulator" not in line], after_s)


def temporary_files(folder: Path) -> list[Path]:
    """Files and folders that should have been renamed or removed."""
    return [path for path in folder.rglob("*") if _TEMPORARY.search(path.name)]


def catches_sigterm(pid: int) -> bool:
    """Whether a process has a way of its own to end by SIGTERM; one that is gone needs none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def _running_with(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                found += [int(entry.name)] if state not in "ZX" else []
    return found
