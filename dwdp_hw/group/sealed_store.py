"""A key-value store whose values carry a seal, so that a rank believes only those that know the run's secret."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dwdp_sim.base.errors import ConfigError

_DIGEST = "sha256"
_SEAL_BYTES = 32


class SealedStore:
    """torch's store, with an HMAC-SHA256 of key and value before each value.

    Whoever can connect to a store can write to it: on a shared machine, every user. What strangers write is refused
    when it is read. Counters (`add`) carry no seal: they only say how many ranks have ended.
    """

    def __init__(self, store: Any, secret: bytes) -> None:
        self._store, self._secret = store, secret

    def clone(self) -> SealedStore:
        """Return a store with a connection of its own, for another thread."""
        return SealedStore(self._store.clone(), self._secret)

    def set(self, key: str, value: str | bytes) -> None:
        """Set the value of a key."""
        data = value.encode() if isinstance(value, str) else value
        self._store.set(key, self._seal(key, data) + data)

    def get(self, key: str) -> bytes:
        """Return the value of a key, waiting for it.

        Raises:
            ConfigError: Somebody wrote it who does not know the secret.
        """
        found = bytes(self._store.get(key))
        seal, data = found[:_SEAL_BYTES], found[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(key, data)):
            raise ConfigError("backend", key, "was written by a process that does not belong to this run")
        return data

    def wait(self, keys: Sequence[str], timeout: timedelta) -> None:
        """Wait until all keys have values."""
        self._store.wait(list(keys), timeout)

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys have values."""
        return bool(self._store.check(list(keys)))

    def add(self, key: str, amount: int) -> int:
        """Add to a counter and return it."""
        return int(self._store.add(key, amount))

    def _seal(self, key: str, data: bytes) -> bytes:
        return hmac.digest(self._secret, key.encode() + b"\0" + data, _DIGEST)
