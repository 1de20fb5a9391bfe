"""Heartbeats of ranks, which say where each rank is, and the check that notices a lost one."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from dwdp_hw.group.faults import RankFault, Whereabouts

_BEAT_S = 0.2


class Heartbeat:
    """A thread that writes into the store, five times a second, where its rank is and since when."""

    def __init__(self, store: Any, place: Whereabouts) -> None:
        """`store`: a connection of its own, since another thread uses the rank's."""
        self._store, self._place = store, place
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        number, place = 0, self._place
        while not self._stop.wait(_BEAT_S):
            number += 1
            age_s = time.monotonic() - place.since_s
            about = {"number": number, "host": place.host, "text": place.text, "age_s": age_s}
            try:
                self._store.set(_key(place.rank), json.dumps(about))
            except Exception:  # the store is gone: so is the launcher, and this process with it
                return

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=5.0)


def last_seen(store: Any, rank: int) -> dict[str, Any]:
    """The last sign of life of a rank; empty if there was none."""
    try:
        return dict(json.loads(store.get(_key(rank)))) if store.check([_key(rank)]) else {}
    except Exception:  # a lost store has no heartbeats
        return {}


def _key(rank: int) -> str:
    return f"heartbeat/{rank}"


class Liveness:
    """The check of every rank's heartbeat, which names the rank that is lost."""

    def __init__(self, store: Any, size: int, *, start_s: float, heartbeat_s: float, hang_s: float) -> None:
        """Begin to count the time from now.

        Args:
            store: Where the ranks leave their heartbeats.
            size: Ranks.
            start_s: Seconds after which a rank that has not come is lost.
            heartbeat_s: Seconds after which a rank that gives no sign of life is lost.
            hang_s: Seconds after which a rank that stays in one call is lost.
        """
        self._store, self._size = store, size
        self._start_s, self._heartbeat_s, self._hang_s = start_s, heartbeat_s, hang_s
        self._began_s = time.monotonic()
        self._numbers: dict[int, tuple[int, float]] = {}

    def check(self) -> None:
        """Look once.

        Raises:
            RankFault: A rank never came, is silent, or is stuck.
        """
        now_s = time.monotonic()
        for rank in range(self._size):
            seen = last_seen(self._store, rank)
            if not seen:
                if now_s - self._began_s > self._start_s:
                    raise RankFault(rank, "an unknown host", "start", f"never arrived within {self._start_s:g} s")
                continue
            number, since_s = self._numbers.get(rank, (-1, now_s))
            if seen["number"] != number:
                self._numbers[rank] = (seen["number"], now_s)
            elif now_s - since_s > self._heartbeat_s:
                raise RankFault(rank, seen["host"], seen["text"], f"no sign of life for {self._heartbeat_s:g} s")
            if seen["age_s"] > self._hang_s:
                raise RankFault(rank, seen["host"], seen["text"], f"stuck there for {seen['age_s']:.0f} s")
