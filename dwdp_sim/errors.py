"""The one exception that users see: a bad value, named."""

from __future__ import annotations


class ConfigError(ValueError):
    """A configuration value that cannot be used.

    The message is one line: the key, the value, and what is allowed. Entry points print it and exit with code 2.
    """

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}={value}: {allowed}")
        self.key = key
