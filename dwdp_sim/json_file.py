"""A JSON file that a user names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dwdp_sim.errors import ConfigError


def read_json(path: str, key: str) -> Any:
    """The file's contents.

    Args:
        path: A regular file, since it is read more than once.
        key: The configuration key that names it, for the message.

    Raises:
        ConfigError: Not readable, not JSON, nested too deeply, or an object has a key twice.
    """
    file = Path(path)
    try:
        if file.exists() and not file.is_file():
            raise ConfigError(key, path, "cannot be read as JSON: not a regular file")
        return json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_once_each)
    except ConfigError:
        raise
    except RecursionError as error:
        raise ConfigError(key, path, "cannot be read as JSON: nested too deeply") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(key, path, f"cannot be read as JSON: {reason}") from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"an object has the key '{name}' twice")
        found[name] = value
    return found
