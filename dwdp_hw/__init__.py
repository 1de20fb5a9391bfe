"""Run a copy plan on real GPUs and compare with the simulator: `import dwdp_hw`, then `dwdp_hw.measure(plan)`."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as of `typing`, whose import would take longer than all else before signals are answered
if TYPE_CHECKING:
    from typing import Any

    from dwdp_hw.api import Measured, calibrate, measure, predict_row, read_rows, read_trace, validate
    from dwdp_hw.cases.case import Settings
    from dwdp_hw.group.faults import NoGpuError, RankFault
    from dwdp_hw.traces.trace_rows import program_content
    from dwdp_hw.validation.bars import Bars

__all__ = [
    "Bars",
    "Measured",
    "NoGpuError",
    "RankFault",
    "Settings",
    "calibrate",
    "measure",
    "predict_row",
    "program_content",
    "read_rows",
    "read_trace",
    "validate",
]

# Loaded when first asked for, as in `dwdp_sim`.
_HOME = {
    "Bars": "dwdp_hw.validation.validate",
    "Measured": "dwdp_hw.api",
    "NoGpuError": "dwdp_hw.group.faults",
    "RankFault": "dwdp_hw.group.faults",
    "Settings": "dwdp_hw.cases.case",
    "calibrate": "dwdp_hw.api",
    "measure": "dwdp_hw.api",
    "predict_row": "dwdp_hw.api",
    "program_content": "dwdp_hw.traces.trace_rows",
    "read_rows": "dwdp_hw.api",
    "read_trace": "dwdp_hw.api",
    "validate": "dwdp_hw.api",
}


def __getattr__(name: str) -> Any:
    """A public name, loaded now."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
