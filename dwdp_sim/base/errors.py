"""What is raised on purpose: one root for all of it, a bad value by name, and how a process ends with that."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

BAD_INPUT = 2
_MOST_CHARACTERS = 200  # of a value


class DwdpError(Exception):
    """Every error that this toolkit raises on purpose."""


class ConfigError(DwdpError, ValueError):
    """A configuration value that cannot be used.

    The message is one line: the key, the value, and what is allowed. Entry points print it and exit with code 2.

    Attributes:
        key: The key's dotted name.
        value: Its value as text.
        allowed: What is wrong with it or allowed for it.
    """

    def __init__(self, key: str, value: object, allowed: str) -> None:
        self.key, self.value, self.allowed = key, str(value), allowed
        super().__init__(visible(f"{key}={shorten(self.value)}: {allowed}"))


def stop(message: object) -> NoReturn:
    """End the process as bad input ends: one line on standard error, exit code 2."""
    sys.stderr.write(f"{os.path.basename(sys.argv[0])}: {visible(str(message))}\n")
    sys.exit(BAD_INPUT)


def visible(text: str) -> str:
    """`text` on one line: line ends and other characters that do not print as their escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(text: str) -> str:
    """`text`, or its beginning where it is longer than a message should be."""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
