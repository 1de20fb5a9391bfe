"""Which machine this is: how many GPUs of which kind, and the shipped cluster that is nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.executors.cuda.nvml import Nvml
from dwdp_sim.api.presets import load_cluster
from dwdp_sim.base.errors import ConfigError

# The longest name that fits counts: a GB200 is no B200.
_SHIPPED = {
    "GB300": "gb300_nvl72",
    "GB200": "gb200_nvl72",
    "GH200": "gh200_x4",
    "B300": "dgx_b300",
    "B200": "dgx_b200",
    "H200": "hgx_h200",
    "H100": "dgx_h100",
}
_BLACKWELL = ("GB300", "GB200", "B300", "B200")
_HOST_LINKS = {"H200": "h200_x1_host"}
_OTHER_HOST_LINK = "h100_x1_host"


@dataclass(frozen=True)
class Machine:
    """A node.

    Attributes:
        gpus: How many GPUs this process may use.
        kind: Which, as `H200`.
        cluster: The shipped cluster of that kind.
    """

    gpus: int
    kind: str
    cluster: str

    @property
    def start(self) -> str:
        """The cluster that a calibration starts from: of one GPU, that of a host link."""
        return self.cluster if self.gpus > 1 else _HOST_LINKS.get(self.kind, _OTHER_HOST_LINK)

    @property
    def model(self) -> str:
        """A model that its kind of GPU serves, where the user names none."""
        return "deepseek_r1_nvfp4" if self.kind in _BLACKWELL else "deepseek_r1_fp8"


def find_machine(cluster: str | None = None) -> Machine:
    """Return what this machine is.

    Args:
        cluster: The shipped cluster to take; None for that of its kind of GPU.

    Raises:
        NoGpuError: It has no GPU.
        ConfigError: No shipped cluster is of its kind of GPU, or of that name.
    """
    gpus, nvml = count_gpus(), Nvml()
    handle = nvml.ask("nvmlDeviceGetHandleByIndex", 0)
    return machine_of(
        gpus, str(nvml.ask("nvmlDeviceGetName", handle) or nvml.missing or "a GPU without a name"), cluster
    )


def machine_of(gpus: int, name: str, cluster: str | None = None) -> Machine:
    """Return the machine with so many GPUs of this name; `cluster` as of `find_machine`.

    Raises:
        ConfigError: No shipped cluster is of its kind, or of that name.
    """
    if cluster is not None:
        return Machine(gpus, load_cluster(cluster).gpu, cluster)
    for kind, shipped in _SHIPPED.items():
        if kind in name.upper().replace(" ", ""):
            return Machine(gpus, kind, shipped)
    raise ConfigError("GPU", name, f"no cluster ships for it, only for {', '.join(_SHIPPED)}; --cluster names one")
