"""Turn a composed configuration into its dataclasses, and check that every value has the type that its key declares."""

from __future__ import annotations

import functools
import math
from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from dwdp_sim.base.errors import ConfigError

MOST_WHOLE = 2**63 - 1  # what a column of results holds
_DEEPEST = 20  # lists and mappings in one another
_OUTER = {list: "a list", dict: "a mapping"}
_WANTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def read_values(composed: DictConfig) -> Any:
    """Return what Hydra composed as an object of the schema's dataclass, checked by `check_values`.

    Raises:
        ConfigError: A value is missing, or has another type than its key declares.
        OmegaConfBaseException: An interpolation cannot be resolved.
    """
    for key in sorted(OmegaConf.missing_keys(composed)):
        raise ConfigError(key, "missing", f"must be given, as {key}=…")
    tree = OmegaConf.to_object(composed)
    check_values(tree)
    return tree


def check_values(tree: object, group: str = "") -> None:
    """Refuse values of the wrong type, numbers that are not finite or do not fit 64 bits, and unprintable text.

    OmegaConf converts values to the type that their key declares, but not lists inside lists nor what is inside a value
    of any type, and it takes NaN and whole numbers of any length.

    Args:
        tree: A dataclass of the configuration.
        group: Where it stands there, as `cluster`; unset: it is the whole.

    Raises:
        ConfigError: There is such a value; the message names its key.
    """
    schema: Any = type(tree)
    for name, kind in _fields(schema).items():
        _check(f"{group}.{name}" if group else name, getattr(tree, name), kind, 0)


@functools.cache
def _fields(schema: Any) -> dict[str, Any]:
    """The keys of a dataclass and their types; evaluating these takes longer than checking a thousand values."""
    return get_type_hints(schema)


def _check(key: str, value: Any, kind: Any, depth: int) -> None:
    if get_origin(kind) in (Union, UnionType):
        if value is None:
            return
        kind = next(one for one in get_args(kind) if one is not NoneType)
    if depth > _DEEPEST:
        raise ConfigError(key, "nested too deeply", f"at most {_DEEPEST} levels are wanted")
    outer: Any = get_origin(kind) or (type(value) if kind is Any else kind)
    if outer not in _WANTED and not issubclass(outer, Enum) and not isinstance(value, outer):
        raise ConfigError(key, value, f"{_OUTER.get(outer, 'a group of keys')} is wanted")
    is_group = is_dataclass(outer)
    if is_group:
        for name, inner in _fields(outer).items():
            _check(f"{key}.{name}", getattr(value, name), inner, depth + 1)
    elif outer is dict:
        if not any(all(isinstance(name, one) for name in value) for one in (str, (int, float))):  # cannot be sorted
            raise ConfigError(key, value, "keys that are all text, or all numbers, are wanted")
        for name, one in value.items():
            _check_single(key, name, Any)
            _check(f"{key}.{name}", one, get_args(kind)[1] if get_args(kind) else Any, depth + 1)
    elif outer is list:
        for place, one in enumerate(value):
            _check(f"{key}[{place}]", one, get_args(kind)[0] if get_args(kind) else Any, depth + 1)
    else:
        _check_single(key, value, kind)


def _check_single(key: str, value: object, kind: Any) -> None:
    wanted = {Any: (str, int, float, Enum, NoneType), float: (int, float)}.get(kind, kind)
    if not isinstance(value, wanted) or (kind is not Any and isinstance(value, bool) != (kind is bool)):
        raise ConfigError(key, value, f"{_WANTED.get(kind, 'text, a number, a list or a mapping')} is wanted")
    if isinstance(value, str) and not value.replace("\n", "").isprintable():
        raise ConfigError(key, value, "printable text is wanted")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(key, value, "a finite number is wanted")
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        raise ConfigError(key, value, f"at most {MOST_WHOLE} fits in 64 bits")
