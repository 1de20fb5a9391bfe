"""Command lines with one thing wrong, and what a command must do with each: refuse it in one line, or work."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST_REFUSAL_S = 5.0
LONGEST_RUN_S = 60.0
LONGEST_LINE = 2000
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Command(ABC):
    """A command line that works, which is given something wrong.

    Attributes:
        name: For the report.
        program: As in its messages.
        base: Arguments that work.
    """

    name: str
    program: str
    base: tuple[str, ...]

    @abstractmethod
    def main(self, arguments: Sequence[str]) -> None:
        """Run a whole command line; `SystemExit` where it is refused."""

    def parts(self, override: str) -> None:
        """Do what `main` does with one more plain override, perhaps quicker."""
        self.main([*self.base, override])

    @abstractmethod
    def prepare(self) -> None:
        """Make what it reads in the working folder, which is empty."""

    def clock_s(self) -> float:
        """The clock by which a refusal may not take long."""
        return time.perf_counter()

    def failed_alone(self, code: object, out: str) -> bool:
        """Whether jobs of many have failed, each in one line on standard output, and the others have run."""
        del code, out
        return False

    def complaint(self, arguments: Sequence[str], folder: Path) -> str:
        """What is wrong with what a run has left that ended well; nothing if nothing is."""
        del arguments, folder
        return ""


@dataclass(frozen=True)
class Case:
    """One command line with one thing wrong."""

    command: Command
    what: str
    arguments: tuple[str, ...]
    plain: bool = False  # key=value, of a key and not of a group's file
    leaves: str = ""  # name of a file that a library has written, and said so, by the time it refuses


@dataclass
class Report:
    """What came of cases: how many were refused, accepted, and answered otherwise."""

    refused: int = 0
    accepted: int = 0
    wrong: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    def __str__(self) -> str:
        cases = self.refused + self.accepted + len(self.wrong)
        counts = f"{cases} cases: {self.refused} refused, {self.accepted} accepted"
        otherwise = f"{len(self.wrong)} answered otherwise; the longest took {self.longest_s:.1f} s"
        return "\n".join([f"{counts}, {otherwise}", *self.wrong])


class _TooLongError(BaseException):
    """A case took longer than it may."""


def _too_long(*_: object) -> None:
    raise _TooLongError


def run_cases(chosen: Sequence[Case], report: Report, *, whole: bool) -> Report:
    """Run cases in this process, each in an empty folder, and judge what comes of them.

    Args:
        chosen: What to run.
        report: Where the outcomes are counted.
        whole: Whether to run whole command lines; otherwise plain overrides skip reading the configuration's files.
    """
    before, home = signal.signal(signal.SIGALRM, _too_long), Path.cwd()
    folder = Path(tempfile.mkdtemp(prefix="config-fuzz-"))
    try:
        for case in chosen:
            _run(case, folder / "case", report, whole or not case.plain)
    finally:
        os.chdir(home)
        signal.signal(signal.SIGALRM, before)
        shutil.rmtree(folder)
    return report


def _run(case: Case, folder: Path, report: Report, whole: bool) -> None:
    folder.mkdir()
    os.chdir(folder)
    case.command.prepare()
    before = _entries(folder)
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()  # which takes no letter that is none
    began = case.command.clock_s()
    signal.setitimer(signal.ITIMER_REAL, LONGEST_RUN_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code, crash = _call(case, whole)
    except _TooLongError:
        code, crash = None, "does not end"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    took_s, said = case.command.clock_s() - began, out.detach().getvalue().decode()
    report.longest_s = max(report.longest_s, took_s)
    if code == 0 or case.command.failed_alone(code, said):
        warns = "Traceback" in err.getvalue() or "Warning" in err.getvalue()
        complaint = f"warns: {err.getvalue()[-300:]!r}" if warns else case.command.complaint(case.arguments, folder)
    else:
        changed = sorted(path for path, _ in before ^ _entries(folder) if Path(path).name != case.leaves)
        printed = "" if case.leaves else said
        complaint = crash or _complaint_on_refusal(case, code, printed, err.getvalue(), changed, took_s)
    if complaint:
        given_last = " ".join(case.arguments[len(case.command.base) :])
        report.wrong.append(f"{case.command.name}: {given_last[:120]!r}: {complaint}")
    elif code == 0:
        report.accepted += 1
    else:
        report.refused += 1
    os.chdir("/")
    shutil.rmtree(folder)


def _entries(folder: Path) -> set[tuple[str, int]]:
    """Everything in a folder but folders, with when it changed."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return {(str(path.relative_to(folder)), path.lstat().st_mtime_ns) for path in found}


def _call(case: Case, whole: bool) -> tuple[Any, str | None]:
    """Exit code, and where in the code it crashed if it did."""
    try:
        if whole:
            case.command.main(case.arguments)
        else:
            case.command.parts(case.arguments[-1])
    except SystemExit as ended:
        return ended.code or 0, None
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.removeprefix(str(ROOT))}:{last.lineno}"
        return None, f"{type(error).__name__} {str(error)[:100]!r} at {place}"
    return 0, None


def _complaint_on_refusal(case: Case, code: object, out: str, err: str, changed: list[str], took_s: float) -> str:
    lines = err.splitlines()
    if code != 2:
        return f"exit code {code}: {err[-200:]!r}"
    is_line = len(lines) == 1 and lines[0].startswith(f"{case.command.program}: ") and lines[0].isprintable()
    if not is_line or len(err) > LONGEST_LINE:
        return f"not one line: {err[:300]!r}"
    if out or changed:
        return f"leaves {changed or out[:100]!r} behind"
    return f"took {took_s:.1f} s to refuse" if took_s > LONGEST_REFUSAL_S else ""
