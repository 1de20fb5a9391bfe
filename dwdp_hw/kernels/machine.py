"""The GPU and the torch that measure kernels, and what they lack."""

from __future__ import annotations

import importlib
import os
from typing import Any

from dwdp_hw.group.faults import NoGpuError
from dwdp_hw.kernels.allowed import BF16
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel, attention_of
from dwdp_sim.silicon.products import DTYPES

_HOPPER = (9, 0)  # compute capability from which cuDNN's attention and grouped products in FP8 are there


def open_torch() -> Any:
    """Return the module, with the parts that the kernels use.

    Raises:
        NoGpuError: It is not installed, or sees no GPU.
    """
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # kernels are few; no processes of its own
    try:
        torch = importlib.import_module("torch")
        importlib.import_module("torch.nn.attention")
    except ImportError as error:
        raise NoGpuError(f'torch is not installed ({error}): pip install "dwdp-toolkit[hw]"') from error
    if not torch.cuda.is_available():
        raise NoGpuError("torch sees no NVIDIA GPU; kernels are measured on one")
    return torch


def refuse_gpu(torch: Any, model: MoEModel) -> None:
    """Refuse a model whose kernels this GPU or this torch does not have.

    Raises:
        ConfigError: Names the key and what is allowed.
    """
    name, capability = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
    fp8 = sorted({DTYPES[model.weight_format], DTYPES[attention_of(model).weight_format]} - {BF16})
    if fp8 and capability < _HOPPER:
        raise ConfigError("model.format", model.weight_format, f"{name} has no FP8 products in torch; bf16 works")
    if not torch.backends.cuda.cudnn_sdp_enabled() or not torch.backends.cudnn.is_available():
        raise ConfigError("model.attention.kind", attention_of(model).kind, "this torch has no cuDNN attention")
    missing = [one for one in ("_grouped_mm", "_scaled_grouped_mm", "_scaled_mm") if not hasattr(torch, one)]
    if missing:
        said = f"torch {torch.__version__} lacks {', '.join(missing)}; 2.8 or newer has them"
        raise ConfigError("model.format", model.weight_format, said)


def describe(torch: Any) -> dict[str, Any]:
    """Names and versions, for provenance; nothing that names the host."""
    return {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
