"""How long six questions of users take, asked with the commands that stand in docs/commands.md.

Printed are, for each, the number of commands and the seconds on the clock and of the processor, the latter over all
processes: on a machine that others use, half of them is what two free cores would take at best.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"
HEADING = "## Six questions"
_FENCE = re.compile(r"^(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```", re.DOTALL | re.M)


@dataclass(frozen=True)
class Question:
    """A question of the page.

    Attributes:
        title: As it stands there.
        files: What the user has, by name.
        commands: What answers it, each as the words of a process.
    """

    title: str
    files: dict[str, str]
    commands: tuple[tuple[str, ...], ...]


def questions() -> list[Question]:
    """Read the questions of the page."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition(f"{HEADING}\n")
    return [_question(part) for part in section.split("\n## ")[0].split("\n### ")[1:]]


def _question(text: str) -> Question:
    files, commands = dict[str, str](), list[tuple[str, ...]]()
    for block in _FENCE.finditer(text):
        note = block["note"] or ""
        if note.startswith("file "):
            files[note.removeprefix("file ")] = block["body"]
        elif block["language"] == "python":
            commands.append((sys.executable, "-c", block["body"]))
        else:
            commands += [("bash", "-euo", "pipefail", "-c", line) for line in block["body"].splitlines()]
    return Question(text.splitlines()[0], files, tuple(commands))


def main() -> None:
    """Ask and print."""
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": here}
    print(f"{'':48}{'commands':>9}{'clock':>8}{'processor':>11}")
    for question in questions():
        with tempfile.TemporaryDirectory() as folder:
            for name, content in question.files.items():
                Path(folder, name).write_text(content, encoding="utf-8")
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            for command in question.commands:
                subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
            clock_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{question.title:48}{len(question.commands):9}{clock_s:8.1f}{processor_s:11.1f}", flush=True)


if __name__ == "__main__":
    main()
