"""Check that the keys of a configuration exist, and suggest near ones if not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, cast, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from dwdp_sim.base.errors import ConfigError

Tree = Mapping[str, Any]  # keys of one level and the types of their values


def check_keys(config: DictConfig, schema: type) -> None:
    """Refuse keys that `+key=value` added and that nothing reads.

    Args:
        config: What Hydra composed, without its own node.
        schema: Dataclass of the whole tree.

    Raises:
        ConfigError: A key is in none of the schema's dataclasses.
    """
    values = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False, throw_on_missing=False))
    for path, value in _unknown(values, get_type_hints(schema), ()):
        raise ConfigError(".".join(path), value, no_such_key(".".join(path), schema))


def no_such_key(path: str, schema: type) -> str:
    """Return the message for a key that does not exist, with the nearest ones that do.

    Args:
        path: With dots, as `strategy.slice`.
        schema: Dataclass of the whole tree.
    """
    *parents, name = path.split(".")
    here = [".".join((*parents, key)) for key in _below(get_type_hints(schema), parents)]
    near = difflib.get_close_matches(path, sorted({*_paths(get_type_hints(schema), ()), *here}))
    what = "key" if parents else "key or group"
    hint = f"; nearest: {', '.join(near)}" if near else f"; known there: {', '.join(here)}" if here else ""
    return f"there is no {what} '{name}'{hint}"


def is_flag(path: str, schema: type) -> bool:
    """Whether the key is true or false."""
    *parents, name = path.split(".")
    tree = _below(get_type_hints(schema), parents)
    return tree.get(name) is bool


def _level(kind: Any, names: Iterable[str]) -> Tree | None:
    """Keys below one of type `kind`: a dataclass's own; `names` where they are free; None: anything."""
    if is_dataclass(kind):
        return get_type_hints(kind)
    if get_origin(kind) is dict and is_dataclass(get_args(kind)[1]):
        return dict.fromkeys(names, get_args(kind)[1])
    return None


def _unknown(values: Mapping[str, Any], known: Tree, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in values.items():
        if key not in known:
            yield (*path, key), value
        elif isinstance(value, Mapping) and (below := _level(known[key], value)) is not None:
            yield from _unknown(value, below, (*path, key))


def _below(known: Tree, path: Sequence[str]) -> Tree:
    for depth, key in enumerate(path, start=1):
        known = _level(known.get(key), path[depth : depth + 1]) or {}
    return known


def _paths(known: Tree, path: tuple[str, ...]) -> Iterator[str]:
    for key, kind in known.items():
        yield ".".join((*path, key))
        yield from _paths(_level(kind, ()) or {}, (*path, key))
