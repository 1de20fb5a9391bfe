"""Translate plain flags into the command line of one of Hydra's apps."""

from __future__ import annotations

import argparse
import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.one_line_parser import OneLineParser
from dwdp_sim.job.config_files import config_dir, config_folders, group_options
from dwdp_sim.job.hydra_words import quoted, unquoted
from dwdp_sim.plain import flags
from dwdp_sim.plain.nearest import nearest
from dwdp_sim.plain.values import one_of
from dwdp_sim.plain.words import IMPORT, PREDICT, SWEEP, VALIDATE, Word

_OVERRIDE = re.compile(r"[+~]{0,2}[A-Za-z_][\w@./]*=|~[A-Za-z_]|\+\+?[A-Za-z_]")
_LIST = re.compile(r"\+{0,2}([^=]+)=(?:[^\[{]+,|range\(|glob\()")  # Hydra's, of which each value is a job
_OWN_STRATEGY = ".py:"
_STEPS = "workload=iteration"  # whole forward steps, in place of one layer


@dataclass(frozen=True)
class Translated:
    """A command line of one of Hydra's apps.

    Attributes:
        program: `dwdp-sim`, `dwdp-advise` or `dwdp-hw`.
        words: Behind it.
        results_dir: Where the rows of a sweep go, as far as this knows; empty otherwise.
        swept: The keys that have several values.
        of_steps: Whether whole forward steps were asked for.
        prints_json: Whether nothing but JSON may be printed.
    """

    program: str
    words: tuple[str, ...]
    results_dir: str = ""
    swept: tuple[str, ...] = ()
    of_steps: bool = False
    prints_json: bool = False

    @property
    def line(self) -> str:
        """The command as one types it in a shell."""
        return shlex.join([self.program, *self.words])


def translate(word: Word, words: Sequence[str]) -> Translated:
    """Translate what stands behind a word.

    Args:
        word: One with plain flags that Hydra's apps answer.
        words: Behind it: flags, at most one model (or files, where the word takes them), and overrides, in any order.

    Raises:
        ConfigError: A value cannot be used; an unknown flag ends the process with its own line.
    """
    given = _parse(word, words)
    named = [each for each in given.words if not _OVERRIDE.match(each)]
    passed = [each for each in given.words if _OVERRIDE.match(each)]
    program, *fixed = word.program.split()
    made = _named(word, named)
    for flag in word.flags:
        value = getattr(given, flag.attribute)
        if value:
            made += _overrides(flag, value, lists=word.name == SWEEP, folder=given.config_dir)
    steps = (given.isl or given.tokens) if word.name in (PREDICT, SWEEP) else None
    if steps and not any(each.startswith("workload=") for each in passed):
        made.append(_STEPS)
    of_steps = _STEPS in (*made, *passed)
    found = [*fixed, *made, *passed]
    swept = tuple(match[1] for each in [*made, *passed] if (match := _LIST.match(each))) if word.name == SWEEP else ()
    results = _said_results_dir(found)
    if word.name == SWEEP and results is None:
        results = _own_results_dir(found)
        found.append(f"results_dir={results}")
    return Translated(program, tuple(found), results or "", swept, of_steps, bool(getattr(given, "json", False)))


def _parse(word: Word, words: Sequence[str]) -> argparse.Namespace:
    parser = OneLineParser(prog=f"dwdp {word.name}", add_help=False, allow_abbrev=False)
    for flag in word.flags:
        if flag.value:
            parser.add_argument(flag.name, metavar=flag.value)
        else:
            parser.add_argument(flag.name, action="store_true")
    parser.add_argument("words", nargs="*")
    given, unknown = parser.parse_known_intermixed_args(list(words))
    if unknown:
        known = [flag.name for flag in word.flags]
        near = nearest(unknown[0], known) or f"; allowed: {', '.join(known)}"
        parser.error(f"there is no flag {unknown[0]}{near}")
    for name in ("isl", "tokens", "config_dir", "out"):
        setattr(given, name, getattr(given, name, None))
    return given


def _named(word: Word, named: Sequence[str]) -> list[str]:
    """Overrides of what is named without a flag: a model, a trace, or files of rows."""
    if word.name == VALIDATE:
        files = ",".join(map(quoted, named))
        return ["source=recorded", f"rows=[{files}]" if len(named) > 1 else f"rows={files}"] if named else []
    what = "trace" if word.name == IMPORT else "model"
    if len(named) > 1:
        raise ConfigError(what, " ".join(named), f"one {what} is wanted; everything else is a flag or key=value")
    if not named:
        if what == "trace":
            raise ConfigError(what, "missing", "a file of a profiler, or a folder of records, is wanted")
        return []
    models = named[0].split(",")
    if word.name != SWEEP and what == "model" and len(models) > 1:
        raise ConfigError(what, named[0], "one is wanted; dwdp sweep takes a list")
    return [f"{what}={quoted(named[0])}" if what == "trace" else f"model={','.join(map(quoted, models))}"]


def _overrides(flag: flags.Flag, value: str | bool, *, lists: bool, folder: str | None) -> list[str]:
    """What a flag says in Hydra's grammar."""
    if flag is flags.CONFIG_DIR:
        return [flag.name, str(value)]
    if value is True:
        return [f"{flag.key}=true"]
    if flag.attribute in ("out", "trtllm"):
        return [f"{flag.key}={flag.read(flag.name, str(value))}"]
    parts = str(value).split(",")
    if len(parts) > 1 and not lists:
        raise ConfigError(flag.name, value, "one value is wanted; dwdp sweep takes lists")
    if flag.attribute == "strategy":
        return _strategy(flag.name, parts, folder)
    read = one_of(_options("cluster", folder)) if flag.attribute == "on" else flag.read
    return [f"{flag.key}={','.join(read(flag.name, part) for part in parts)}"]


def _strategy(flag: str, parts: Sequence[str], folder: str | None) -> list[str]:
    """Shipped strategies by name, or records in files of the user's."""
    own = [part for part in parts if _OWN_STRATEGY in part]
    if not own:
        known = [name for name in _options("strategy", folder) if name != "custom"]
        return [f"strategy={','.join(one_of([*known, 'my_strategy.py:name'])(flag, part) for part in parts)}"]
    if len(own) < len(parts):
        raise ConfigError(flag, ",".join(parts), "a list has either names or my_strategy.py:name; use two sweeps")
    return ["strategy=custom", f"strategy.path={','.join(map(quoted, own))}"]


def _options(group: str, folder: str | None) -> list[str]:
    """The names of a group's files, the user's own among them."""
    return group_options(group, config_folders(argparse.Namespace(config_dir=folder, config_path=str(config_dir()))))


def _said_results_dir(words: Sequence[str]) -> str | None:
    """Where the user wants the rows of a sweep; empty if an experiment says where, None if nobody does."""
    said = [word.partition("=")[2] for word in words if word.startswith("results_dir=")]
    if said:
        return unquoted(said[-1])
    return "" if any(word.lstrip("+").startswith("experiment=") for word in words) else None


def _own_results_dir(words: Sequence[str]) -> str:
    """Where its rows go else: the same command has the same folder, so that it goes on where it was ended."""
    return f"results/sweep-{hashlib.sha256(shlex.join(words).encode()).hexdigest()[:8]}"
