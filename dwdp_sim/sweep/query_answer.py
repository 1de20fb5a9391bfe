"""Answer one question in SQL, some rows at a time: an answer may be larger than memory."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import duckdb

from dwdp_sim.base.errors import ConfigError, shorten_words, visible

_QUESTIONS = ("SELECT", "EXPLAIN")  # as DuckDB sorts statements; describe, summarize and values are among the first
_AT_ONCE = 10_000
_MOST_SHOWN = 1_000  # rows on a terminal


@dataclass(frozen=True)
class Answer:
    """The columns' names, and rows as they come; reading them raises `ConfigError` if the question has no answer."""

    names: Sequence[str]
    rows: Iterator[tuple[Any, ...]]


def ask(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    """Begin to answer a question.

    Args:
        connection: From `query.connect`.
        sql: One statement that changes nothing.

    Raises:
        ConfigError: It is not one, or is wrong.
    """
    try:
        sql.encode()  # bytes on the command line that are no text
        statements = connection.extract_statements(sql)
        kinds = [statement.type.name for statement in statements]
        if len(kinds) != 1 or kinds[0] not in _QUESTIONS:
            raise ConfigError("query", sql, f"one question is wanted, as select …; got {', '.join(kinds) or 'nothing'}")
        found = connection.sql(sql)
        batches = found.to_arrow_reader(_AT_ONCE)
    except (duckdb.Error, UnicodeError) as error:
        raise _refused(sql, error) from error

    def rows() -> Iterator[tuple[Any, ...]]:
        try:
            for batch in batches:
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
        except (duckdb.Error, OSError) as error:  # Arrow wraps DuckDB's
            raise _refused(sql, error) from error

    return Answer(found.columns, rows())


def write_csv(answer: Answer, file: TextIO) -> None:
    """Write an answer as comma-separated values; on a terminal, with control characters as escapes."""
    shown = visible if file.isatty() else str
    table = csv.writer(file, lineterminator="\n")
    table.writerow(map(shown, answer.names))
    table.writerows([shown(cell) if isinstance(cell, str) else cell for cell in row] for row in answer.rows)


def print_table(answer: Answer) -> None:
    """Print an answer on a terminal, its first thousand rows."""
    from rich import box  # noqa: PLC0415  # only a terminal needs it
    from rich.table import Table  # noqa: PLC0415

    from dwdp_sim.base.terminal import TextConsole, say  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD)
    for name in answer.names:
        table.add_column(visible(name))
    more = False
    for row in answer.rows:
        more = table.row_count == _MOST_SHOWN
        if more:
            break
        table.add_row(*(visible(f"{cell:.6g}" if isinstance(cell, float) else str(cell)) for cell in row))
    console = TextConsole(file=sys.stdout)
    console.print(table)
    if more:
        say(console, f"the first {_MOST_SHOWN} rows; --csv writes all")


def _refused(sql: str, error: Exception) -> ConfigError:
    return ConfigError("query", sql, shorten_words(str(error).split("\n\n", maxsplit=1)[0]))
