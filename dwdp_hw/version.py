"""What is installed here: versions, the compiled engine, and GPUs. It looks without loading anything heavy."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import dwdp_sim


def version_lines() -> list[str]:
    """Return a line each for this toolkit, Python, the engine and the GPUs; what is lacking is said, never raised."""
    return [
        f"dwdp-toolkit {dwdp_sim.__version__}",
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        _engine(),
        _gpus(),
    ]


def _engine() -> str:
    if find_spec("numba") is None:
        return "engine: SimPy alone; numba, which compiles the fast one, is not installed"
    return f"engine: compiled (numba {_version_of('numba')}) and SimPy"


def _gpus() -> str:
    """The kinds of GPUs and their driver, as NVML has them."""
    try:
        from dwdp_hw.executors.cuda.nvml import Nvml  # noqa: PLC0415 - whatever its import lacks, a version is printed

        nvml = Nvml()
        if nvml.missing:
            return f"GPUs: none found ({nvml.missing})"
        handles = [nvml.ask("nvmlDeviceGetHandleByIndex", i) for i in range(nvml.ask("nvmlDeviceGetCount") or 0)]
        names = [nvml.ask("nvmlDeviceGetName", handle) or "of unknown kind" for handle in handles]
        counted = ", ".join(f"{names.count(name)} × {name}" for name in dict.fromkeys(names)) or "none"
        return f"GPUs: {counted}, driver {nvml.ask('nvmlSystemGetDriverVersion')}"
    except Exception as error:
        return f"GPUs: cannot be asked for ({type(error).__name__}: {' '.join(str(error).splitlines()[:1])})"


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
