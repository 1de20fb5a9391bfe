"""Read a file that a user names; whatever is wrong with it is a `ConfigError`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from dwdp_sim.base.errors import ConfigError


def read_text(path: str, key: str, form: str = "text") -> str:
    """The file as text.

    Args:
        path: A regular file, since it is read more than once.
        key: The configuration key that names it, for the message.
        form: What it is to be, for the message.

    Raises:
        ConfigError: Not readable, or not UTF-8.
    """
    file = Path(path)
    try:
        if file.exists() and not file.is_file():
            raise OSError(None, "not a regular file")
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unreadable(path, key, form, getattr(error, "strerror", None) or error) from error


def read_json(path: str, key: str) -> Any:
    """The contents of a JSON file.

    Raises:
        ConfigError: Not readable, not JSON, nested too deeply, or an object has a key twice.
    """
    text = read_text(path, key, "JSON")
    try:
        return json.loads(text, object_pairs_hook=_once_each)
    except RecursionError as error:
        raise _unreadable(path, key, "JSON", "nested too deeply") from error
    except ValueError as error:
        raise _unreadable(path, key, "JSON", error) from error


def read_yaml(path: str, key: str) -> Any:
    """The contents of a YAML file.

    Raises:
        ConfigError: Not readable, not YAML, or nested too deeply.
    """
    text = read_text(path, key, "YAML")
    try:
        return yaml.safe_load(text)
    except RecursionError as error:
        raise _unreadable(path, key, "YAML", "nested too deeply") from error
    except (ValueError, yaml.YAMLError) as error:  # a date in month 13 is a ValueError
        raise _unreadable(path, key, "YAML", getattr(error, "problem", None) or error) from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"an object has the key '{name}' twice")
        found[name] = value
    return found


def _unreadable(path: str, key: str, form: str, reason: object) -> ConfigError:
    return ConfigError(key, path, f"cannot be read as {form}: {reason}")
