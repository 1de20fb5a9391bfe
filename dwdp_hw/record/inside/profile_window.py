"""Let torch's profiler (kineto, CUPTI) record when copies run on the GPU, for a chosen time."""

from __future__ import annotations

import os
import secrets
import sys
import time
from typing import Any

_NO_TORCH = "torch is not imported in this process, and its profiler is what sees device times"


class ProfileWindow:
    """A window of time, counted from the first call of the process; all its steps are made by one thread."""

    def __init__(self, folder: str, window: tuple[float, float] | None) -> None:
        """`window`: seconds after the first call, and how many; None for none at all."""
        self._folder, self._window = folder, window
        self._first_ns: int | None = None
        self._profile: Any = None
        self._begin_ns = 0

    @property
    def is_running(self) -> bool:
        """Whether the profiler records."""
        return self._profile is not None

    def first_call_at(self, begin_ns: int) -> None:
        """Note when a call began; the first one counts."""
        if self._first_ns is None:
            self._first_ns = begin_ns

    def step(self, gpu: int) -> dict[str, Any] | None:
        """Start or stop if it is time to; return the line of the record that says what came of it.

        Args:
            gpu: The one that the process copies to; −1 if it is not known.
        """
        if self._window is None or self._first_ns is None:
            return None
        now_ns, (after_s, for_s) = time.monotonic_ns(), self._window
        if self.is_running:  # it took a while to start
            return self.stop() if now_ns - self._begin_ns >= for_s * 1e9 else None
        return self._start(gpu) if now_ns - self._first_ns >= after_s * 1e9 else None

    def stop(self) -> dict[str, Any] | None:
        """Stop, if it runs, and write the profiler's trace beside the record."""
        if not self.is_running:
            return None
        end_ns, later_ns = time.monotonic_ns(), time.time_ns() - time.monotonic_ns()
        name = f"trace-{secrets.token_hex(6)}.json"
        try:
            self._profile.stop()
            self._profile.export_chrome_trace(os.path.join(self._folder, name))
        except Exception as error:  # the engine comes first
            return self._failed(error)
        finally:
            self._window = self._profile = None
        window = {"begin_ns": self._begin_ns, "end_ns": end_ns, "wall_minus_monotonic_ns": later_ns}
        return {"what": "profile", **window, "file": name}

    def _start(self, gpu: int) -> dict[str, Any] | None:
        torch = sys.modules.get("torch")
        if torch is None:
            return self._missing(_NO_TORCH)
        try:
            if gpu >= 0 and torch.cuda.is_available():
                torch.cuda.set_device(gpu)  # of this thread: the profiler waits for it, or else for GPU 0
            activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
            profile = torch.profiler.profile(activities=activities)
            profile.start()
        except Exception as error:  # another profiler runs, or CUPTI may not be used
            return self._failed(error)
        self._profile, self._begin_ns = profile, time.monotonic_ns()
        return None

    def _failed(self, error: Exception) -> dict[str, Any]:
        """Say on standard error what went wrong: an error's own words may name paths, which no record does."""
        sys.stderr.write(f"dwdp_hw.record: no device times: {type(error).__name__}: {error}\n")
        return self._missing(f"torch's profiler failed: {type(error).__name__}")

    def _missing(self, why: str) -> dict[str, Any]:
        """Return the line of a window without device times."""
        self._window = None
        return {"what": "profile", "missing": why}
