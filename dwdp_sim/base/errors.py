"""Errors that this toolkit raises on purpose, and how a process ends with one: a single line and exit code 2."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

FAILED, BAD_INPUT, UNDECIDED = 1, 2, 5
_MOST_CHARACTERS = 200  # characters of a value in a message


class DwdpError(Exception):
    """Every error that this toolkit raises on purpose.

    Attributes:
        exit_code: With which a command ends that it reaches.
    """

    exit_code: ClassVar[int] = BAD_INPUT


class ConfigError(DwdpError, ValueError):
    """A configuration value that cannot be used.

    The message is one line: the key, the value, and what is allowed. Entry points print it and exit with code 2.

    Attributes:
        key: The key's dotted name.
        value: Its value as text.
        allowed: What is wrong with it or allowed for it.
    """

    def __init__(self, key: str, value: object, allowed: str) -> None:
        try:
            self.value = str(value)
        except ValueError:  # a number of thousands of digits
            self.value = "a number of thousands of digits"
        self.key, self.allowed = key, allowed
        super().__init__(visible(f"{key}={shorten(self.value)}: {allowed}"))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.key, self.value, self.allowed), self.__dict__  # from worker processes it comes pickled


def check_choice(key: str, value: object, allowed: Iterable[str]) -> None:
    """Refuse a value that is not one of the names allowed for the key.

    Raises:
        ConfigError: It is not; the message lists them.
    """
    names = tuple(allowed)
    if value not in names:
        raise ConfigError(key, value, f"allowed: {', '.join(names)}")


def stop(message: object, code: int = BAD_INPUT) -> NoReturn:
    """End the process with one line on standard error and an exit code, that of bad input if none is given."""
    sys.stderr.write(f"{os.path.basename(sys.argv[0])}: {visible(str(message))}\n")
    sys.exit(code)


def visible(text: str) -> str:
    """Return `text` on one line, with line ends and other unprintable characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(text: str) -> str:
    """Return `text`, or its beginning if it is longer than a message should be."""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def shorten_words(text: str) -> str:
    """Return `text` with the beginning only of every word that is longer than a message should be."""
    return re.sub(r"\S+", lambda word: shorten(word[0]), text)
