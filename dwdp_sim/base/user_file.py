"""Read a file that a user names; whatever is wrong with it is a `ConfigError`.

This is the only place that reads such bytes. What they mean is a declared type, see `typed_file`.
"""

from __future__ import annotations

import gc
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import yaml

from dwdp_sim.base.errors import ConfigError

MOST_BYTES = 32 << 20  # of a file that is read whole: seconds, and 0.8 GB where it is all empty lists
MOST_YAML_BYTES = 256 << 10  # PyYAML reads about 100 KB/s
_MOST_YAML_VALUES = 100_000  # once every alias stands for what it names
_MOST_YAML_DEPTH = 100
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_data(path: str, key: str, form: str, most_bytes: int = MOST_BYTES) -> bytes:
    """The file's bytes.

    Args:
        path: A regular file.
        key: The configuration key that names it, for the message.
        form: What it is to be, for the message.
        most_bytes: More are not read.

    Raises:
        ConfigError: Not readable, no regular file, or too large.
    """
    with _regular(path, key, form) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most_bytes + 1) if size <= most_bytes else b""  # a file of /proc has no size
        if max(size, len(data)) > most_bytes:
            raise OSError(None, f"has {max(size, len(data))} bytes; at most {most_bytes} are read")
        return data


def read_start(path: str, key: str, form: str, length: int) -> bytes:
    """The file's first bytes, at most `length` of them; of any size, else as `read_data`.

    Raises:
        ConfigError: Not readable, or no regular file.
    """
    with _regular(path, key, form) as file:
        return file.read(length)


@contextmanager
def _regular(path: str, key: str, form: str) -> Iterator[BinaryIO]:
    """The open file, if it is a regular one; what goes wrong with it is a `ConfigError`."""
    try:
        named = Path(path)
        if named.exists() and not named.is_file():  # before it is opened, which may do something to a device
            raise OSError(None, "not a regular file")
        descriptor = os.open(named, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would be waited for
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(None, "not a regular file")
            yield file
    except (OSError, ValueError) as error:
        raise unreadable(path, key, form, getattr(error, "strerror", None) or error) from error


def read_text(path: str, key: str, form: str = "text", most_bytes: int = MOST_BYTES) -> str:
    """The file as text; arguments as of `read_data`.

    Raises:
        ConfigError: As `read_data`, or not UTF-8.
    """
    return decoded(read_data(path, key, form, most_bytes), path, key, form)


def decoded(data: bytes, path: str, key: str, form: str) -> str:
    """The text of a file's bytes; arguments as of `read_data`.

    Raises:
        ConfigError: Not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise unreadable(path, key, form, error) from error


def read_json(path: str, key: str) -> Any:
    """The contents of a JSON file.

    Raises:
        ConfigError: Not readable, or `parse_json` refuses it.
    """
    return parse_json(read_text(path, key, "JSON"), path, key)


def parse_json(text: str, path: str, key: str) -> Any:
    """The contents of a JSON text in which every number is finite and every text can be written again.

    Args:
        text: From the file `path`.
        path, key: For the message.

    Raises:
        ConfigError: Not JSON, nested too deeply, an object has a key twice, a number is not finite, or half of a
            surrogate pair stands alone.
    """
    try:
        with _without_collection():
            found = json.loads(text, object_pairs_hook=_once_each, parse_constant=_refuse, parse_float=_finite)
        if _SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except RecursionError as error:
        raise unreadable(path, key, "JSON", "nested too deeply") from error
    except ValueError as error:
        raise unreadable(path, key, "JSON", error) from error


@contextmanager
def _without_collection() -> Iterator[None]:
    """Making a million lists takes eight times as long if garbage is looked for in them meanwhile."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_yaml(path: str, key: str) -> Any:
    """The contents of a YAML file in which every number is finite and every text can be written again.

    Raises:
        ConfigError: Not readable, not YAML, nested too deeply, a mapping has a key twice, aliases blow it up, or a
            number or text is not as above.
    """
    text = read_text(path, key, "YAML", MOST_YAML_BYTES)
    try:
        loader = _Loader(text)
        document = loader.get_single_node()
        if document is None:
            return None
        _expanded_values(document, {})
        return _checked(loader.construct_document(document))
    except RecursionError as error:
        raise unreadable(path, key, "YAML", "nested too deeply") from error
    except (ValueError, TypeError, yaml.YAMLError) as error:  # a date in month 13 is a ValueError, a list as key …
        raise unreadable(path, key, "YAML", getattr(error, "problem", None) or error) from error


def check_yaml_size(path: str, key: str) -> None:
    """Refuse a YAML file that another reader would wait for or grow without end on; what else is wrong, that one says.

    Raises:
        ConfigError: No regular file, too large, nested too deeply, or aliases blow it up.
    """
    data = read_data(path, key, "YAML", MOST_YAML_BYTES)
    try:
        document = _Loader(data).get_single_node()
        if document is not None:
            _expanded_values(document, {})
    except (_TooMuchError, RecursionError) as error:
        raise unreadable(path, key, "YAML", error if isinstance(error, ValueError) else "nested too deeply") from error
    except (ValueError, yaml.YAMLError):
        return


class _TooMuchError(ValueError):
    """A text would need more time or memory than it is worth."""


class _Loader(yaml.SafeLoader):
    """PyYAML, which needs seconds for a thousand brackets, and a stack for each of them."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        if self.flow_level >= _MOST_YAML_DEPTH:
            raise _TooMuchError("nested too deeply")
        super().fetch_flow_collection_start(TokenClass)


def _expanded_values(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values a node stands for once its aliases are what they name; each node is walked once."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise _TooMuchError("an alias stands inside what it names")
        return size
    known[id(node)] = None
    parts: list[yaml.Node] = node.value
    if isinstance(node, yaml.MappingNode):
        _once_each([(f"{name.value}", None) for name, _ in node.value if isinstance(name, yaml.ScalarNode)])
        parts = [part for pair in node.value for part in pair]
    size = 1 + sum(_expanded_values(part, known) for part in parts)
    if size > _MOST_YAML_VALUES:
        raise _TooMuchError(f"has more than {_MOST_YAML_VALUES} values, aliases counted as what they name")
    known[id(node)] = size
    return size


def _checked(content: Any) -> Any:
    """The content, if every number in it is finite and every text can be written again."""
    left = [content]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str):
            value.encode()
        elif isinstance(value, float) and not math.isfinite(value):
            _refuse(str(value))
    return content


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) < len(pairs):
        left = iter(found)  # keys where each stands first
        twice = next(name for name, _ in pairs if name != next(left, None))
        raise ValueError(f"an object has the key '{twice}' twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}; numbers must be finite")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(text[:20])
    return value


def unreadable(path: str, key: str, form: str, reason: object) -> ConfigError:
    """The error of a file that is not what it is to be."""
    return ConfigError(key, path, f"cannot be read as {form}: {reason}")
