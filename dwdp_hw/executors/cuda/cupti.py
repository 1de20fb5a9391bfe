"""Record the copies of one run with CUPTI through torch's profiler, as a second opinion."""

from __future__ import annotations

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

from dwdp_hw.cases.result import CopyRecord, Witness

_OURS = "DtoH"  # no plan copies to the host


class Recorder:
    """Records everything the GPU does between `start` and `stop`; what it copies to the host is our own reading."""

    def __init__(self, ordinal: int, folder: Path) -> None:
        """`folder`: the run's, which goes with it even if this process is killed."""
        self._folder = folder
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
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            path = Path(folder) / "trace.json"
            self._profile.export_chrome_trace(str(path))
            return read_trace(path.read_text(encoding="utf-8"))


def read_trace(text: str) -> Witness:
    """Return the copies in a trace of torch's profiler."""
    events: list[dict[str, Any]] = json.loads(text).get("traceEvents", [])
    copies = [
        CopyRecord(event["name"], event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6, int(event["args"]["bytes"]))
        for event in events
        if event.get("cat") == "gpu_memcpy" and "bytes" in event.get("args", {}) and _OURS not in event["name"]
    ]
    copies.sort(key=lambda copy: copy.begin_s)
    return Witness(copies, text, None if copies else "the profiler recorded no copy")
