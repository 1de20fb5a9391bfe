"""A bad value, named: the one exception that users see, and how a process ends with it."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

BAD_INPUT = 2
_MOST_CHARACTERS = 200  # of a value


class ConfigError(ValueError):
    """A configuration value that cannot be used.

    The message is one line: the key, the value, and what is allowed. Entry points print it and exit with code 2.
    """

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(visible(f"{key}={shorten(str(value))}: {allowed}"))
        self.key = key


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
