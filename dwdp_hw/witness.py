"""A second witness: what CUPTI, through torch's profiler, says of the copies of one run."""

from __future__ import annotations

import importlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OURS = "DtoH"  # no plan copies to the host


@dataclass(frozen=True)
class CopyRecord:
    """One copy as CUPTI recorded it; it may stand for several copies of a batch.

    Attributes:
        name: CUPTI's words for its kind.
        begin_s, end_s: On the profiler's clock.
        size: Bytes.
    """

    name: str
    begin_s: float
    end_s: float
    size: int


@dataclass(frozen=True)
class Witness:
    """What was recorded of a run.

    Attributes:
        copies: In the order of their begin.
        trace: The profiler's whole file, as text.
        missing: Why there is nothing; None if there is.
    """

    copies: list[CopyRecord]
    trace: str
    missing: str | None


class Recorder:
    """Records everything the GPU does between `start` and `stop`; what it copies to the host is our own reading."""

    def __init__(self, ordinal: int) -> None:
        torch = importlib.import_module("torch")
        torch.cuda.set_device(ordinal)
        torch.cuda.init()
        self._profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])

    def start(self) -> None:
        """Begin; nothing that waits for the host may run on the GPU."""
        self._profile.start()

    def stop(self) -> Witness:
        """End, after everything on the GPU is done."""
        self._profile.stop()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            self._profile.export_chrome_trace(str(path))
            return read_trace(path.read_text(encoding="utf-8"))


def read_trace(text: str) -> Witness:
    """The copies in a trace of torch's profiler."""
    events: list[dict[str, Any]] = json.loads(text).get("traceEvents", [])
    copies = [
        CopyRecord(event["name"], event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6, int(event["args"]["bytes"]))
        for event in events
        if event.get("cat") == "gpu_memcpy" and "bytes" in event.get("args", {}) and _OURS not in event["name"]
    ]
    copies.sort(key=lambda copy: copy.begin_s)
    return Witness(copies, text, None if copies else "the profiler recorded no copy")
