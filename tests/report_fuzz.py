"""Wrong words for every argument and option of `dwdp-report`."""

from __future__ import annotations

import functools
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from dwdp_sim import report_app
from tests import fuzz
from tests.config_fuzz import VALUES
from tests.dwdp_sim.sweep.page.sweeps import LAYER, write_sweep
from tests.fuzz import ROOT, Case

PLACES = {
    "a results folder": "rows",
    "another folder": "other",
    "a folder that is not there": "no/folder",
    "a folder whose jobs are a file": "jobs_is_a_file",
    "a folder with a damaged file": "damaged",
    "a folder of strangers": "strangers",
    "a text file": "text",
    "a file of rows": "rows/jobs",
    "below a file": "text/x",
    "an unreadable file": "secret",
    "a pipe": "pipe",
    "a link to itself": "loop",
    "a measurement": "validation.json",
    "a name of a subcommand": "query",
    "a name like an option": "--x",
    "the end of options": "--",
    "standard input": "-",
    "a name of half a thousand letters": "n" * 500,
    "a results folder of an odd name": "odd\udcff\x1b[/red]",
}
QUESTIONS = {
    "two questions": "select 1; select 2",
    "a change": "drop view rows",
    "a file to read": "select * from read_csv('/etc/passwd')",
    "a file to write": "copy (select 1) to 'x.csv'",
    "a database": "attach 'x.db'",
    "a setting": "set memory_limit = '1TB'",
    "an extension": "install httpfs",
    "a comment": "-- nothing",
    "half a question": "select",
    "no such table": "select * from nope",
    "no such column": "select nope from rows",
    "a parameter": "select ?",
    "a wrong conversion": "select cast(job as int) from rows",
    "a wrong conversion in the second row": "select cast(x as int) from (values ('1'), ('a')) v(x)",
    "an error of its own": "select error('[/red]\n\x1b[31m')",
    "a column with markup": 'select 1 as "[/red]"',
    "a control character": "select chr(27), chr(0), chr(10)",
    "no number": "select 'nan'::double, 'inf'::double, 1 / 0",
    "a number of 38 digits": "select 10::hugeint ** 37",
    "a whole configuration": "select config_json from jobs",
    "nested": "select [1, 2], {'a': 1}, map {'a': 1}, '\\xff'::blob, interval 1 day",
    "a plan": "explain select * from rows",
    "deep": "select " + "(" * 5000 + "1" + ")" * 5000,
}


@dataclass(frozen=True)
class Command(fuzz.Command):
    """One subcommand of `dwdp-report`, run in this process."""

    def main(self, arguments: Sequence[str]) -> None:
        with patch.object(sys, "argv", [self.program, *arguments]):
            report_app.main()

    def prepare(self) -> None:
        for name, data in _folder().items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(data)
        Path("secret").chmod(0)
        os.mkfifo("pipe")
        os.mkfifo("strangers/jobs/pipe.parquet")
        os.symlink("loop", "loop")
        os.symlink("/etc/passwd", "strangers/jobs/link.parquet")
        os.symlink(ROOT / "measurements" / "h200_x2_live_validation.json", "measured_rows.json")


@functools.cache
def _folder() -> dict[str, bytes]:
    """Names and contents of the files that all cases find."""
    with tempfile.TemporaryDirectory() as made:
        write_sweep(Path(made), [(*LAYER, f"strategy={name}") for name in ("default", "batched")])
        files = [path for path in Path(made).rglob("*") if path.is_file()]
        rows = {f"rows/{path.relative_to(made)}": path.read_bytes() for path in files}
    one = next(iter(rows.values()))
    odd = {name.replace("rows", PLACES["a results folder of an odd name"], 1): data for name, data in rows.items()}
    strangers = {name.replace("rows", "strangers", 1): data for name, data in rows.items()}
    return rows | odd | strangers | {
        "other/x": b"", "text": b"text\n", "secret": b"", "jobs_is_a_file/jobs": b"", "strangers/jobs/x.parquet": b"x",
        "strangers/jobs/table.parquet": _table(),
        f"damaged/jobs/{'0' * 32}.parquet": one[: len(one) // 2], "validation.json": b'{"rows": []}',
    }  # fmt: skip


def _table() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"job": [1], "x": [2]}), written)
    return written.getvalue()


PAGE = Command("report page", "dwdp-report", ("page", "rows"))
QUERY = Command("report query", "dwdp-report", ("query", "select count(*) from rows", "rows"))
COMPACT = Command("report compact", "dwdp-report", ("compact", "rows"))
DICTIONARY = Command("report dictionary", "dwdp-report", ("data-dictionary",))
COMMANDS = (PAGE, QUERY, COMPACT, DICTIONARY)
OPTIONS = {PAGE: ("--out", "--measured", "--runs"), QUERY: ("--csv",), COMPACT: (), DICTIONARY: ()}


def cases(command: Command) -> Iterator[Case]:
    """Wrong words in place of each argument, after each option, and lines with too few, too many and unknown words."""
    words = {**VALUES, **PLACES}
    for what, word in words.items():
        for place in range(1, len(command.base)):
            line = (*command.base[:place], word, *command.base[place + 1 :])
            yield Case(command, f"argument {place}: {what}", line)
        yield Case(command, f"one more: {what}", (*command.base, word))
        for option in OPTIONS[command]:
            if option == "--out" and word.startswith(("/", "..")):
                continue  # never: as root, the page takes the place of the file that it names
            yield Case(command, f"{option}: {what}", (*command.base, option, word))
            yield Case(command, f"{option}=: {what}", (*command.base, f"{option}={word}"))
    for option in OPTIONS[command]:
        yield Case(command, f"{option} and nothing", (*command.base, option))
        yield Case(command, f"{option} first", (command.base[0], option, *command.base[1:]))
        yield Case(command, f"{option} twice", (*command.base, option, "x", option, "y"))
    for place in range(len(command.base)):
        yield Case(command, f"without {command.base[place]}", (*command.base[:place], *command.base[place + 1 :]))
    others = {option for options in OPTIONS.values() for option in options} - {*OPTIONS[command]}
    for unknown in ("--unknown", "-x", "--o", "-h=1", "--help=1", "--csv=1", "-", "--", *sorted(others)):
        yield Case(command, unknown, (*command.base, unknown))
        yield Case(command, f"{unknown} first", (unknown, *command.base))
    for what, sql in QUESTIONS.items() if command is QUERY else ():
        yield Case(command, what, ("query", sql, "rows"))
        yield Case(command, f"{what}, of no folder", ("query", sql, "no/folder"))
