"""What `python -m dwdp_hw.record` is asked to do."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dwdp_sim.base.errors import ConfigError

LONGEST_S = 1e6
RECORDS = "record-*.jsonl"
_DESCRIPTION = """Run an engine and write down the copies that it issues, in every Python process that it starts:

  python -m dwdp_hw.record -- python serve.py --port 8000
  python -m dwdp_hw.record --out records --profile-after 30 --profile-for 5 -- mpirun -n 4 -x PYTHONPATH …
  dwdp-hw mode=import trace=records          says which plan they are (docs/record.md)"""


@dataclass(frozen=True)
class Request:
    """A checked command line.

    Attributes:
        command: What to run; the first word is the path of a program.
        folder: Where records go; it exists.
        window: Seconds after a process's first copy when torch's profiler starts, and how long it records; None for no
            device times.
    """

    command: tuple[str, ...]
    folder: Path
    window: tuple[float, float] | None


def read_request(words: Sequence[str]) -> Request:
    """Check the words after the module's name, and make the folder.

    Raises:
        ConfigError: No command, no such program, or a folder in which nothing can be written or that has records.
    """
    own, _, command = _split(words)
    arguments = _parser().parse_args(own)
    if not command:
        raise ConfigError(
            "command", "missing", "the engine's command line is wanted after --, as in -- python serve.py"
        )
    program = shutil.which(command[0])
    if program is None:
        raise ConfigError("command", command[0], "no such program; give its path, or a name on PATH")
    window = None
    if arguments.profile_for is not None:
        window = (
            _seconds("--profile-after", arguments.profile_after),
            _seconds("--profile-for", arguments.profile_for),
        )
    return Request((program, *command[1:]), _folder(arguments.out), window)


def _split(words: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """Words before the first `--`, and behind it."""
    place = list(words).index("--") if "--" in words else len(words)
    return list(words[:place]), "--", list(words[place + 1 :])


def _folder(named: str | None) -> Path:
    folder = Path(named) if named else Path("outputs", *time.strftime("%Y-%m-%d %H-%M-%S").split())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError(None, "nothing can be written in it")
        old = any(folder.glob(RECORDS))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError("--out", folder, f"a folder in which records can be written is wanted: {why}") from error
    if old:
        raise ConfigError("--out", folder, "has records of another run; give a new folder")
    return folder.resolve()


def _seconds(option: str, word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= LONGEST_S:
        raise ConfigError(option, word, f"seconds from 0 to {LONGEST_S:g} are wanted")
    return seconds


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m dwdp_hw.record",
        usage="%(prog)s [--out FOLDER] [--profile-after S] [--profile-for S] -- COMMAND …",
        description=_DESCRIPTION,
        formatter_class=layout,
        allow_abbrev=False,
    )
    parser.add_argument("--out", metavar="FOLDER", help="for the records; default: outputs/DATE/TIME")
    parser.add_argument(
        "--profile-for",
        metavar="S",
        help="seconds for which torch's profiler records device times; default: not at all",
    )
    parser.add_argument(
        "--profile-after", metavar="S", default="10", help="seconds from a process's first copy until then; default: 10"
    )
    return parser
