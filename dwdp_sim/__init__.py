"""Predict expert prefetch over NVLink under DWDP: `import dwdp_sim as dwdp`, then `dwdp.predict(…)`.

Everything that a name stands for may also be an object made in Python. docs/python.md shows each function at work.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as of `typing`, whose import would take longer than all else before signals are answered
if TYPE_CHECKING:
    from typing import Any

    from dwdp_sim.api.advice import advise
    from dwdp_sim.api.hypotheses import hypotheses
    from dwdp_sim.api.layers import predict, replay
    from dwdp_sim.api.presets import load_cluster, load_compute, load_model, load_strategy, presets
    from dwdp_sim.api.steps import predict_steps
    from dwdp_sim.base.errors import ConfigError
    from dwdp_sim.fabric.cluster import Cluster
    from dwdp_sim.fabric.constant import Constant
    from dwdp_sim.fabric.options import FabricOptions
    from dwdp_sim.fabric.simulate_many import SimulationTask, simulate_many
    from dwdp_sim.job.start_times import Starts
    from dwdp_sim.model.moe import MoEModel
    from dwdp_sim.model.placement import Placement
    from dwdp_sim.plan.program import Program
    from dwdp_sim.plan.strategy import Strategy, StrategyKind
    from dwdp_sim.steps.requests import RequestLoad
    from dwdp_sim.steps.workload import StepsWorkload
    from dwdp_sim.sweep.query import load_results

    __version__: str

__all__ = [
    "Cluster",
    "ConfigError",
    "Constant",
    "FabricOptions",
    "MoEModel",
    "Placement",
    "Program",
    "RequestLoad",
    "SimulationTask",
    "Starts",
    "StepsWorkload",
    "Strategy",
    "StrategyKind",
    "__version__",
    "advise",
    "hypotheses",
    "load_cluster",
    "load_compute",
    "load_model",
    "load_results",
    "load_strategy",
    "predict",
    "predict_steps",
    "presets",
    "replay",
    "simulate_many",
]

# Loaded when first asked for: pandas, Hydra and the simulator take a second that `--help` should not wait for.
_HOME = {
    "Cluster": "dwdp_sim.fabric.cluster",
    "ConfigError": "dwdp_sim.base.errors",
    "Constant": "dwdp_sim.fabric.constant",
    "FabricOptions": "dwdp_sim.fabric.options",
    "MoEModel": "dwdp_sim.model.moe",
    "Placement": "dwdp_sim.model.placement",
    "Program": "dwdp_sim.plan.program",
    "RequestLoad": "dwdp_sim.steps.requests",
    "SimulationTask": "dwdp_sim.fabric.simulate_many",
    "Starts": "dwdp_sim.job.start_times",
    "StepsWorkload": "dwdp_sim.steps.workload",
    "Strategy": "dwdp_sim.plan.strategy",
    "StrategyKind": "dwdp_sim.plan.strategy",
    "advise": "dwdp_sim.api.advice",
    "hypotheses": "dwdp_sim.api.hypotheses",
    "load_cluster": "dwdp_sim.api.presets",
    "load_compute": "dwdp_sim.api.presets",
    "load_model": "dwdp_sim.api.presets",
    "load_results": "dwdp_sim.sweep.query",
    "load_strategy": "dwdp_sim.api.presets",
    "predict": "dwdp_sim.api.layers",
    "predict_steps": "dwdp_sim.api.steps",
    "presets": "dwdp_sim.api.presets",
    "replay": "dwdp_sim.api.layers",
    "simulate_many": "dwdp_sim.fabric.simulate_many",
}


def __getattr__(name: str) -> Any:
    """A public name, loaded now."""
    if name == "__version__":
        return _version()
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def _version() -> str:
    """The version of the installed package; that of a source tree that nobody has installed is not known."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # as all that is loaded when asked for

    try:
        return version("dwdp-toolkit")
    except PackageNotFoundError:
        return "0"


def __dir__() -> list[str]:
    """The public names."""
    return __all__
