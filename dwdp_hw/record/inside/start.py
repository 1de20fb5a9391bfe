"""Begin to record this process, as the environment asks."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from dwdp_hw.record.inside.call_log import CallLog
from dwdp_hw.record.inside.cuda_calls import watch_cuda
from dwdp_hw.record.inside.shared_memory import watch_sharing
from dwdp_hw.record.inside.torch_copies import watch_torch
from dwdp_hw.record.inside.watched_modules import ModuleWatch
from dwdp_hw.record.inside.writer import Writer

FOLDER, WINDOW = "DWDP_RECORD_FOLDER", "DWDP_RECORD_PROFILE"
CUDA_MODULES = ("cuda.bindings.runtime", "cuda.cudart")


def start(environment: Mapping[str, str]) -> None:
    """Watch the modules that copy, from the moment that this process imports them.

    Args:
        environment: Of the process; `FOLDER` names where records go, and `WINDOW` when the profiler records: seconds
            after the first call, and how many, with a comma between. Nothing happens without the former.
    """
    folder = environment.get(FOLDER)
    if not folder:
        return
    after_s, _, for_s = environment.get(WINDOW, "").partition(",")
    log = CallLog()
    writer = Writer(folder, log, (float(after_s), float(for_s)) if for_s else None)

    def cuda(module: ModuleType) -> None:
        watch_sharing(module, log)
        writer.watched(module.__name__, watch_cuda(module, log))

    def torch(module: ModuleType) -> None:
        writer.watched(module.__name__, watch_torch(module, log))

    ModuleWatch({**dict.fromkeys(CUDA_MODULES, cuda), "torch": torch}).install()
