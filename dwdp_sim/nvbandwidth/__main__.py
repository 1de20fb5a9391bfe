"""`python -m dwdp_sim.nvbandwidth`: the published table, the forecast that would refute it, verdicts on own runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dwdp_sim.base.endings import run_command
from dwdp_sim.base.errors import ConfigError, stop
from dwdp_sim.base.terminal import TextConsole
from dwdp_sim.nvbandwidth import tables
from dwdp_sim.nvbandwidth.harness import LOOP_COUNT
from dwdp_sim.nvbandwidth.judge import judge_files
from dwdp_sim.nvbandwidth.published import compare, published_dir

_MOST = 1_000_000
_JUDGED_TITLE = (
    "all_to_one rows: k streams, loopCount, share of a pair, the artefact's share, copies' time that was lost"
)
_DESCRIPTION = """What nvbandwidth prints where several GPUs read from one, and why that is no loss of the links.

  python -m dwdp_sim.nvbandwidth table
      every published row that could be found, beside its prediction
  python -m dwdp_sim.nvbandwidth forecast
      what longer runs will print: the artefact fades, a real loss does not
  python -m dwdp_sim.nvbandwidth judge run.txt
      artefact, loss or neither, of your own run"""
_JUDGE = """Two runs tell most, the second with four times the copies:

  T="device_to_device_memcpy_read_ce all_to_one_read_ce device_to_device_memcpy_write_ce all_to_one_write_ce"
  nvbandwidth -t $T > 16.txt
  nvbandwidth -t $T --loopCount 64 -j > 64.json
  python -m dwdp_sim.nvbandwidth judge 16.txt 64.json --loop-count 16 64

nvbandwidth does not print its loop count, so --loop-count says it: one for all files, or one for each."""


def main(words: Sequence[str] | None = None) -> None:
    """Entry point of `python -m dwdp_sim.nvbandwidth`."""
    arguments = _parser().parse_args(words)
    try:
        match arguments.command:
            case "table":
                _table(arguments.markdown)
            case "forecast":
                _forecast(_whole("--readers", arguments.readers, 2), _whole("--loop-counts", arguments.loop_counts, 1))
            case "judge":
                verdicts = judge_files(arguments.files, _whole("--loop-count", arguments.loop_count, 1))
                tables.print_table(TextConsole(), _JUDGED_TITLE, tables.JUDGED, tables.verdict_cells(verdicts))
    except ConfigError as error:
        stop(error)


def _table(as_markdown: bool) -> None:
    compared = compare(published_dir())
    counted, shown = tables.counted_cells(compared), tables.shown_cells(compared)
    summary = tables.summary_line(compared)
    if as_markdown:
        sys.stdout.write(
            f"{tables.markdown(tables.COUNTED, counted)}\n{summary}\n\n{tables.markdown(tables.SHOWN, shown)}"
        )
        return
    console = TextConsole()
    tables.print_table(console, "nvbandwidth, predicted from each machine's pair rows, GB/s", tables.COUNTED, counted)
    console.print(summary, highlight=False)
    tables.print_table(console, "shown, not counted", tables.SHOWN, shown)


def _forecast(readers: list[int], loop_counts: list[int]) -> None:
    title = "all_to_one_read_ce ÷ device_to_device_memcpy_read_ce"
    tables.print_table(TextConsole(), title, *tables.forecast_cells(readers, loop_counts))


def _whole(option: str, words: Sequence[str], least: int) -> list[int]:
    """Words of an option as whole numbers.

    Raises:
        ConfigError: One is none, or out of bounds.
    """
    for word in words:
        if not (word.isascii() and word.isdigit() and least <= int(word) <= _MOST):
            raise ConfigError(option, word, f"a whole number from {least} to {_MOST} is wanted")
    return [int(word) for word in words]


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    name = "python -m dwdp_sim.nvbandwidth"
    parser = argparse.ArgumentParser(prog=name, description=_DESCRIPTION, formatter_class=layout)
    commands = parser.add_subparsers(dest="command", required=True)
    table = commands.add_parser("table", help="published rows beside their predictions")
    table.add_argument("--markdown", action="store_true", help="as in docs/nvbandwidth.md")
    forecast = commands.add_parser("forecast", help="what longer runs will print")
    forecast.add_argument("--readers", nargs="+", default=["2", "3", "7"], metavar="K", help="GPUs that read from one")
    forecast.add_argument("--loop-counts", nargs="+", default=["16", "64", "256"], metavar="N", help="--loopCount")
    judge = commands.add_parser("judge", help="artefact, loss or neither", description=_JUDGE, formatter_class=layout)
    judge.add_argument("files", nargs="+", metavar="FILE", help="nvbandwidth's text or JSON (-j)")
    judge.add_argument(
        "--loop-count", nargs="+", default=[str(LOOP_COUNT)], metavar="N", help="default: 16, nvbandwidth's"
    )
    return parser


if __name__ == "__main__":
    run_command(main)
