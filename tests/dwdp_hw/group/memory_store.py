"""A store as torch's TCPStore, in one process: for ranks that are threads."""

from __future__ import annotations

import threading
from datetime import timedelta


class MemoryStore:
    """Values by key; `wait` raises when a key does not come in time."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._changed = threading.Condition()

    def set(self, key: str, value: str | bytes) -> None:
        with self._changed:
            self._values[key] = value.encode() if isinstance(value, str) else value
            self._changed.notify_all()

    def get(self, key: str) -> bytes:
        return self._values[key]

    def check(self, keys: list[str]) -> bool:
        return all(key in self._values for key in keys)

    def wait(self, keys: list[str], longest: timedelta) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self.check(keys), longest.total_seconds()):
                raise TimeoutError(str(keys))

    def clone(self) -> MemoryStore:
        return self
