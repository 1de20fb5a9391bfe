"""Load a user's own strategy: a `StrategyKind` in a Python file, named as `my_strategy.py:name`."""

from __future__ import annotations

import functools
import hashlib
import sys
from dataclasses import replace
from types import ModuleType

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import read_text
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import StrategyKind


def load_kind(path: str, key: str) -> StrategyKind:
    """Run the user's file and take the record that `path` names.

    Args:
        path: The file and the record's name in it, as `my_strategy.py:name`. The file may import what is installed, not
            other files beside it: its text alone says what the strategy is.
        key: The configuration key that names it, for the message.

    Raises:
        ConfigError: The file cannot be read or run, or has no such record.
    """
    file, name = _split(path, key)
    return kind_in_text(file, read_text(file, key, "Python"), name, key)


def hash_kind(path: str, key: str) -> str:
    """SHA-256 over the file's text and the name, wherever the file is.

    Raises:
        ConfigError: The file cannot be read.
    """
    file, name = _split(path, key)
    return hashlib.sha256(f"{name}\n{read_text(file, key, 'Python')}".encode()).hexdigest()


@functools.cache
def kind_in_text(file: str, text: str, name: str, key: str) -> StrategyKind:
    """The record called `name` in a Python file's text; a process runs the same text once.

    Raises:
        ConfigError: The text cannot be run, or has no such record.
    """
    path = f"{file}:{name}"
    module = ModuleType(f"dwdp_strategy_{hashlib.sha256(text.encode()).hexdigest()[:16]}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # where dataclasses in the file look for it
    try:
        exec(compile(text, file, "exec"), module.__dict__)  # noqa: S102  # the user's own Python
    except ConfigError as error:
        raise ConfigError(key, path, str(error)) from error
    except Exception as error:  # whatever a user's file may do
        raise ConfigError(key, path, f"cannot be run: {type(error).__name__}: {error}") from error
    kinds = {n: value for n, value in vars(module).items() if isinstance(value, StrategyKind)}
    if name not in kinds:
        found = f"is a {type(vars(module)[name]).__name__}" if name in vars(module) else "is not in the file"
        allowed = f"StrategyKinds there: {', '.join(kinds)}" if kinds else "no StrategyKind is there"
        raise ConfigError(key, path, f"{name} {found}; {allowed}")
    kind = kinds[name]
    if kind.name in STRATEGIES:
        raise ConfigError(key, path, f"its name is {kind.name}, which is taken; give it one of its own")
    return replace(kind, remade_by=(kind_in_text, (file, text, name, key)))


def _split(path: str, key: str) -> tuple[str, str]:
    file, _, name = path.rpartition(":")
    if not file or not name.isidentifier():
        raise ConfigError(key, path, "a file and a StrategyKind's name in it are wanted, as my_strategy.py:name")
    return file, name
