"""What `dwdp` does: give each word to the command that answers it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence

from dwdp_sim.base.errors import FAILED, UNDECIDED, ConfigError, stop, visible
from dwdp_sim.plain import words as known
from dwdp_sim.plain.help_text import help_of, help_of_all
from dwdp_sim.plain.nearest import nearest
from dwdp_sim.plain.translate import Translated, translate
from dwdp_sim.plain.words import BY_NAME, Word

# What answers is imported when it is asked: help and mistakes should not wait for Hydra and SciPy.
# ruff: noqa: PLC0415

_HELP = ("-h", "--help")
_OF_LAYERS = ("prefetch_latency_mean_s", "range_mean_low_s", "range_mean_high_s")
_OF_STEPS = ("step_tokens_per_s", "step_iteration_s", "step_iteration_low_s", "step_iteration_high_s")


def runs_an_engine(words: Sequence[str]) -> bool:
    """Whether a command line runs a command of the user's, to which signals are passed on."""
    return list(words[:1]) == [known.RECORD] and not _asks_for_help(words)


def run(words: Sequence[str]) -> None:
    """Answer a command line.

    Args:
        words: Without the program's name.

    Raises:
        ConfigError: Something in it cannot be used.
    """
    if not words or words[0] in _HELP:
        sys.stdout.write(help_of_all())
        return
    name, *rest = words
    if name == "--version":
        name = known.VERSION
    if name not in BY_NAME:
        stop(f"there is no word '{name}'{nearest(name, BY_NAME) or '; dwdp --help lists them'}")
    word = BY_NAME[name]
    if _asks_for_help(rest):
        sys.stdout.write(help_of(word))
        return
    _ANSWERS[name](word, rest)


def _asks_for_help(words: Sequence[str]) -> bool:
    """Whether help is asked for, and not by the command behind `--`."""
    own = words[: words.index("--")] if "--" in words else words
    return bool(set(own) & set(_HELP))


def _ask_hydra(word: Word, words: list[str]) -> None:
    """Predict, advise, sweep, validate or import, and say how Hydra's app is asked for the same."""
    asked = translate(word, words)
    code = _run_app(asked)
    if asked.results_dir:
        _show_rows(asked)
    if not asked.prints_json:
        _say_dim(f"same as: {asked.line}")
    if code:
        sys.exit(code)


def _run_app(asked: Translated) -> int:
    """Run one of Hydra's apps, which reads the command line of the process; the exit code of its answer."""
    sys.argv[1:] = asked.words
    began = time.monotonic()
    try:
        match asked.program:
            case "dwdp-sim":
                from dwdp_sim.command import run as predict

                predict()
            case "dwdp-advise":
                from dwdp_sim.advice.command import run as advise

                advise(began)
            case _:
                from dwdp_hw.command import run as measure

                measure()
    except SystemExit as end:
        if end.code not in (0, FAILED, UNDECIDED):
            raise
        return end.code
    return 0


def _show_rows(asked: Translated) -> None:
    """Show what a sweep has found, and say how to read all of its rows."""
    from dwdp_sim.report_command import query
    from dwdp_sim.sweep.columns import PARAMETERS

    names = {column.source: column.name for column in PARAMETERS} | {"strategy.path": "strategy"}
    swept = dict.fromkeys(names.get(key) or names.get(f"{key}.name", "") for key in asked.swept)
    columns = [column for column in swept if column]
    shown = ", ".join((*columns, *(_OF_STEPS if asked.of_steps else _OF_LAYERS)))
    folder, sql = asked.results_dir, " ".join(("select", shown, "from jobs order by", ", ".join(columns) or "1"))
    query(sql, [folder], csv=False)
    _say_dim(f"read the rows: {shlex.join(['dwdp', 'query', sql, folder])}")
    _say_dim(
        f"  or in Python: dwdp_sim.load_results({folder!r}); or as a page: {shlex.join(['dwdp', 'report', folder])}"
    )


def _subcommand(word: Word, words: list[str]) -> None:
    from dwdp_hw import subcommands

    subcommands.run([word.name, *words], "dwdp")


def _record(word: Word, words: list[str]) -> None:
    from dwdp_hw.record.__main__ import main

    sys.argv[1:] = words
    main()


def _report(word: Word, words: list[str]) -> None:
    from dwdp_hw.diff.sides import read_bundle_side, read_rows_side
    from dwdp_sim.report_command import run as run_report

    run_report((read_bundle_side, read_rows_side), words)


def _query(word: Word, words: list[str]) -> None:
    from dwdp_sim.report_command import run as run_report

    run_report((), [word.name, *words])


def _version(word: Word, words: list[str]) -> None:
    from dwdp_hw.version import version_lines

    _no_more(word, words)
    print(*map(visible, version_lines()), sep="\n")


def _completion(word: Word, words: list[str]) -> None:
    from dwdp_sim.plain.completion import SHELLS, script

    if not words or words[0] not in SHELLS:
        raise ConfigError("completion", words[0] if words else "missing", f"allowed: {', '.join(SHELLS)}")
    _no_more(word, words[1:])
    sys.stdout.write(script(words[0]))


def _no_more(word: Word, words: Sequence[str]) -> None:
    if words:
        raise ConfigError(word.name, words[0], "nothing stands behind it")


def _say_dim(text: str) -> None:
    from dwdp_sim.base.terminal import TextConsole, say

    say(TextConsole(), text, dim=True)


_ANSWERS: dict[str, Callable[[Word, list[str]], None]] = {
    known.PREDICT: _ask_hydra,
    known.ADVISE: _ask_hydra,
    known.SWEEP: _ask_hydra,
    known.NODE: _subcommand,
    known.VALIDATE: _ask_hydra,
    known.CHECK: _subcommand,
    known.RECORD: _record,
    known.REPORT: _report,
    known.QUERY: _query,
    known.IMPORT: _ask_hydra,
    known.VERSION: _version,
    known.COMPLETION: _completion,
}
