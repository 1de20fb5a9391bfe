"""What `dwdp-report` does: read its command line, then draw a page, answer a question, or compare."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dwdp_sim.base.errors import FAILED, ConfigError, visible
from dwdp_sim.base.one_line_parser import OneLineParser

if TYPE_CHECKING:
    from dwdp_sim.diff.side import Reader

# What answers is imported when it is asked: help should not wait for DuckDB and pandas.
# ruff: noqa: PLC0415

_COMMANDS = ("page", "query", "compact", "diff", "data-dictionary")
_QUERY_HELP = """One question in SQL over the views rows (one a rank of a job), jobs (one a job) and every_row (old
code, too). It reads and writes no file and changes nothing; for example
  dwdp-report query "select strategy, slice_bytes, prefetch_latency_mean_s from jobs order by 3" results/slices"""


_DIFF_HELP = """What moved between two clusters (names or YAML files), two runs' folders, two results folders, two files
of measured rows or two bundles: by how much, and whether beyond noise. Exit code 0: nothing did; 1: something did."""


def run(readers: Sequence[Reader] = (), words: Sequence[str] | None = None) -> None:
    """Do what the command line says.

    Args:
        readers: Of what `diff` compares beside clusters, runs and results folders.
        words: The command line, without the program's name; unset: that of the process.
    """
    arguments = _parser().parse_args(_with_command(list(sys.argv[1:] if words is None else words)))
    match arguments.command:
        case "page":
            print(visible(page(arguments)))
        case "query":
            query(arguments.sql, arguments.results, arguments.csv)
        case "compact":
            print(visible(f"{arguments.results}: {merge(arguments.results)} files of finished jobs merged into one"))
        case "diff":
            if diff(arguments.first, arguments.second, readers, json=arguments.json):
                sys.exit(FAILED)
        case "data-dictionary":
            from dwdp_sim.sweep.columns import data_dictionary

            sys.stdout.write(data_dictionary())


def _with_command(words: list[str]) -> list[str]:
    """`dwdp-report results/x` is `dwdp-report page results/x`; a folder of a command's name is `./query`."""
    return words if not words or words[0] in (*_COMMANDS, "-h", "--help") else ["page", *words]


def page(arguments: argparse.Namespace) -> str:
    """Write the page on a results folder, and say where it is.

    Raises:
        ConfigError, OSError: See `dwdp_sim.sweep.page.page.write_page`.
    """
    from dwdp_sim.sweep.page.page import write_page
    from dwdp_sim.sweep.progress import working

    results = Path(arguments.results)
    out = Path(arguments.out) if arguments.out else results / "report.html"
    given = [("--out", out.absolute().parent)] if arguments.out else []
    for key, folder in (*given, *(("--runs", Path(runs)) for runs in arguments.runs)):
        if not folder.is_dir():
            raise ConfigError(key, str(folder), "there is no such folder")
    with working("drawing the page"):
        return str(write_page(results, out, list(map(Path, arguments.measured)), list(map(Path, arguments.runs))))


def merge(results: str) -> int:
    """Merge the files of finished jobs into one, and return how many there were.

    Raises:
        ConfigError, OSError: See `dwdp_sim.sweep.compact.compact`.
    """
    from dwdp_sim.sweep.compact import compact
    from dwdp_sim.sweep.progress import working

    with working("merging"):
        return compact(results)


def query(sql: str, results: Sequence[str], csv: bool) -> None:
    """Print what `sql` answers over the rows of all `results` folders.

    Raises:
        ConfigError: The SQL is wrong, no question, or takes too much memory, or a folder cannot be read.
    """
    from dwdp_sim.sweep.progress import working
    from dwdp_sim.sweep.query import connect
    from dwdp_sim.sweep.query_answer import ask, print_table, write_csv

    with working("reading rows"):
        connection = connect(*results)
    answer = ask(connection, sql)
    if csv or not sys.stdout.isatty():
        write_csv(answer, sys.stdout)
    else:
        print_table(answer)


def diff(first: str, second: str, readers: Sequence[Reader] = (), *, json: bool = False) -> int:
    """Print what moved from one side to the other, and return how many figures did so beyond noise.

    Args:
        first, second: Where the sides are.
        readers: As of `run`.
        json: Whether to print JSON.

    Raises:
        ConfigError: A side cannot be read, or they cannot be compared.
    """
    from dwdp_sim.base.terminal import TextConsole
    from dwdp_sim.diff.clusters import read_cluster_side
    from dwdp_sim.diff.compare import compare, read_side
    from dwdp_sim.diff.results import read_results_side
    from dwdp_sim.diff.runs import read_run_side
    from dwdp_sim.diff.show import print_diff, print_json

    known = (*readers, read_cluster_side, read_results_side, read_run_side)
    found = compare(read_side(first, known), read_side(second, known))
    if json:
        print_json(found)
    else:
        print_diff(TextConsole(), found)
    return len(found.moved)


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="dwdp-report",
        description="A page on a sweep, questions to its rows, and what moved between two of anything. "
        "dwdp-report FOLDER is dwdp-report page FOLDER.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_page(commands.add_parser("page", help="one HTML page on a sweep, without network (the default)"))
    formatter = argparse.RawDescriptionHelpFormatter
    ask = commands.add_parser(
        "query", help="answer a question in SQL", description=_QUERY_HELP, formatter_class=formatter
    )
    ask.add_argument("sql")
    ask.add_argument("results", nargs="+", help="results folders")
    ask.add_argument("--csv", action="store_true", help="comma-separated on a terminal, too")
    merge = commands.add_parser("compact", help="merge the files of finished jobs into one")
    merge.add_argument("results", help="a results folder")
    two = commands.add_parser("diff", help="what moved between two of anything", description=_DIFF_HELP)
    two.add_argument("first", help="a cluster, run, results folder, file of rows or bundle")
    two.add_argument("second", help="another one of the same kind")
    two.add_argument("--json", action="store_true", help="print JSON")
    commands.add_parser("data-dictionary", help="print every column and its meaning")
    return parser


def _add_page(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", help="a results folder")
    parser.add_argument("--out", metavar="FILE", help="the page; else report.html in the folder")
    parser.add_argument(
        "--measured",
        metavar="FILE",
        nargs="+",
        default=[],
        help="validation.json of dwdp-hw mode=validate, or its folder; else the source tree's own rows",
    )
    parser.add_argument(
        "--runs", metavar="FOLDER", nargs="+", default=[], help="single runs to link, besides runs/ in the folder"
    )
