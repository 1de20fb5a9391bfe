"""Turn a file's contents into a declared type; what does not fit is one line that names its place in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import msgspec.inspect
from msgspec import Meta, Raw

from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.base.user_file import unreadable

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*$")]
"""Text on one line, for tables, pictures and file names."""

_Kind = TypeVar("_Kind")

_AT = re.compile(r"(.*?)(?: - at (?:`key` in )?`\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_PATTERN = re.compile(r"expected `str` matching regex .*")
_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)


def convert(content: Any, kind: type[_Kind], path: str, key: str, at: str = "") -> _Kind:
    """Return a file's contents as the type that is declared for them.

    Args:
        content: As JSON or YAML was read, or a part of it.
        kind: A `msgspec.Struct`, a typed dictionary or a list of such; ranges stand in its annotations. A field that a
            typed dictionary does not know is refused; a `Struct` says itself whether it is.
        path, key: Where it comes from, for the message.
        at: The place of this part in the file, for the message.

    Raises:
        ConfigError: Something does not fit; one line says the place, what is there and what is wanted.
    """
    try:
        found = msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(key, path, _misfit(content, kind, str(error), at)) from error
    except RecursionError as error:
        raise ConfigError(key, path, f"{at or 'the file'} is nested too deeply") from error
    unknown = _unknown(content, found, at)
    if unknown is not None:
        raise ConfigError(key, path, unknown)
    return found


def decode_json(data: bytes | Raw, kind: Any, path: str, key: str, at: str = "") -> Any:
    """Return a large JSON text as the type that is declared for it, without ever holding what the type leaves out.

    Args:
        data: From the file `path`. Of a key that stands twice the last one counts.
        kind: As of `convert`, or a union of such.
        path, key, at: As of `convert`.

    Raises:
        ConfigError: Not JSON, nested too deeply, or something does not fit.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise ConfigError(key, path, _misfit(None, kind, str(error), at)) from error
    except RecursionError as error:
        raise unreadable(path, key, "JSON", "nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unreadable(path, key, "JSON", error) from error


def _misfit(content: Any, kind: Any, message: str, at: str) -> str:
    """`rows[3].device_us is 7; expected `array`` from the words of msgspec, the value at that place and its type."""
    match = _AT.fullmatch(message)
    reason, place = (match[1], match[2] or "") if match else (message, "")
    where = (at + place).removeprefix(".") or "the file"
    types = _types(kind, place)
    if field := _FIELD.fullmatch(reason):
        if field[1] == "missing required":
            return f"{where} lacks the field '{field[2]}'"
        known = ", ".join(field.encode_name for each in types for field in getattr(each, "fields", ()))
        return f"{where} has the unknown field '{field[2]}'; known: {known}"
    if reason.startswith("Invalid"):
        reason = f"allowed: {', '.join(_choices(types) or _tags(kind, place))}"
    reason = _PATTERN.sub("text on one line is wanted", f"{reason[0].lower()}{reason[1:]}")
    is_unseen = content is None or "[...]" in place  # a key that msgspec does not name
    return f"{where}: {reason}" if is_unseen else f"{where} is {_shown(_value(content, place))}; {reason}"


def _types(kind: Any, place: str) -> list[Any]:
    """What may stand at a place of the declared type."""
    types = _union(msgspec.inspect.type_info(kind))
    for name, index in _STEP.findall(place):
        inner: list[Any] = []
        for each in types:
            inner += [field.type for field in getattr(each, "fields", ()) if field.encode_name == name]
            if index:
                inner += getattr(each, "item_types", ())[int(index) : int(index) + 1]
                inner += [each.item_type] if hasattr(each, "item_type") else []
        types = [part for each in inner for part in _union(each)]
    return types


def _union(one: Any) -> list[Any]:
    return list(one.types) if isinstance(one, msgspec.inspect.UnionType) else [one]


def _choices(types: Sequence[Any]) -> list[str]:
    return [str(value) for each in types for value in getattr(each, "values", ())]


def _tags(kind: Any, place: str) -> list[str]:
    """The names of the structures that may stand where the last part of the place is their tag."""
    return [str(each.tag) for each in _types(kind, place.rpartition(".")[0]) if getattr(each, "tag", None)]


def _value(content: Any, place: str) -> Any:
    for name, index in _STEP.findall(place):
        if isinstance(content, dict) and name in content:
            content = content[name]
        elif isinstance(content, list | tuple) and index:
            content = content[int(index)]
    return content


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple | dict):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return shorten(value if isinstance(value, str) else json.dumps(value, default=str))


def _unknown(content: Any, found: Any, place: str) -> str | None:
    """A line that names a key which a typed dictionary, `found`, has left out of `content`; None if there is none."""
    if found == content:
        return None
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(content, dict) and isinstance(found, dict):
        for name in content:
            if name not in found:
                where = place.removeprefix(".") or "the file"
                return f"{where} has the unknown field '{name}'; beside it are known: {', '.join(map(str, found))}"
        pairs = [(f"{place}.{name}", content[name], value) for name, value in found.items()]
    elif isinstance(content, list) and isinstance(found, list):
        pairs = [(f"{place}[{i}]", *both) for i, both in enumerate(zip(content, found, strict=True))]
    return next((said for where, one, other in pairs if (said := _unknown(one, other, where)) is not None), None)
