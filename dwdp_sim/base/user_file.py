"""Read a file that a user names; whatever is wrong with it is a `ConfigError`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

import yaml

from dwdp_sim.base.errors import ConfigError

MOST_BYTES = 1 << 30  # of any file that is read whole


def read_data(path: str, key: str, form: str) -> bytes:
    """The file's bytes.

    Args:
        path: A regular file of at most 1 GiB.
        key: The configuration key that names it, for the message.
        form: What it is to be, for the message.

    Raises:
        ConfigError: Not readable, no regular file, or too large.
    """
    file = Path(path)
    try:
        if file.exists() and not file.is_file():
            raise OSError(None, "not a regular file")
        if file.stat().st_size > MOST_BYTES:
            raise OSError(None, f"has {file.stat().st_size} bytes; at most {MOST_BYTES} are read")
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(path, key, form, getattr(error, "strerror", None) or error) from error


def read_text(path: str, key: str, form: str = "text") -> str:
    """The file as text; arguments as of `read_data`.

    Raises:
        ConfigError: As `read_data`, or not UTF-8.
    """
    try:
        return read_data(path, key, form).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(path, key, form, error) from error


def read_json(path: str, key: str) -> Any:
    """The contents of a JSON file.

    Raises:
        ConfigError: Not readable, or `parse_json` refuses it.
    """
    return parse_json(read_text(path, key, "JSON"), path, key)


def parse_json(text: str | bytes, path: str, key: str) -> Any:
    """The contents of a JSON text in which every number is finite.

    Args:
        text: From the file `path`.
        path, key: For the message.

    Raises:
        ConfigError: Not JSON, nested too deeply, an object has a key twice, or a number is not finite.
    """
    try:
        return json.loads(text, object_pairs_hook=_once_each, parse_constant=_refuse, parse_float=_finite)
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
    found: dict[str, Any] = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key '{twice}' twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}; numbers must be finite")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(text[:20])
    return value


def _unreadable(path: str, key: str, form: str, reason: object) -> ConfigError:
    return ConfigError(key, path, f"cannot be read as {form}: {reason}")
