"""The part of the configuration tree that only `dwdp-hw` reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore

from dwdp_sim.job.schema import SimConfig

# What `dwdp-hw` does. Not a class: Hydra selects members by name, and `import` cannot be one in a class body.
Mode = Enum(
    "Mode",
    {
        "measure": "measure",
        "windows": "windows",
        "calibrate": "calibrate",
        "validate": "validate",
        "import": "import",
    },
    module=__name__,
)


class Source(Enum):
    """Where the rows of a calibration or validation come from."""

    live = "live"
    recorded = "recorded"


class Cases(Enum):
    """Which live cases a validation measures."""

    validation = "validation"
    incast = "incast"


class Measure(Enum):
    """What is measured."""

    layer = "layer"
    pipeline = "pipeline"
    issue_cost = "issue_cost"


class Executor(Enum):
    """What runs the plan."""

    cuda = "cuda"
    host = "host"


@dataclass
class BackendConfig:
    """How a plan is run on this machine."""

    executor: Executor = Executor.cuda
    """cuda, or host: the same processes on host memory, without a GPU."""
    measure: Measure = Measure.layer
    """layer, pipeline (several layers, two slots, compute windows) or issue_cost (host time a slice)."""
    home: str | None = None
    """peer, host or local: where the peers' experts are; unset: as the cluster says."""
    mapping: str | None = None
    """ipc, vmm_fd or vmm_fabric: how peer memory is mapped; unset: as the cluster says."""
    issue: str = "arrays"
    """arrays (C arrays built once), lists (ready Python lists) or built_lists (lists built for each layer)."""
    layers: int = 2
    """Layers with buffers of their own."""
    warmups: int = 2
    """Runs before the measurement."""
    repeats: int = 9
    """Timed runs."""
    rounds: int = 3
    """Rounds of timed runs, each over all operations in an order of its own (mode=windows)."""
    detail: bool = True
    """One more run that watches single slices."""
    witness: bool = False
    """Two more runs, the second recorded by CUPTI (torch's profiler); its trace is kept as profiler_rank<R>.json."""
    ranks: list[int] = field(default_factory=list)
    """Ranks that pull; empty: all."""
    window_s: list[float] = field(default_factory=lambda: [1e-3])
    """Compute time of a layer in seconds, by rank; a rank beyond the end takes the last (measure=pipeline)."""
    window: str = "spin"
    """spin (a timed kernel), matmul (bf16 matrix products, needs torch) or kernels (of the model's layer, in torch, for
    the requests of the workload; window_s then means nothing)."""
    wait_s: float = 30.0
    """Longest wait for a GPU or another rank, in seconds."""
    heartbeat_s: float = 10.0
    """A rank without a sign of life for so long is lost, in seconds."""
    start_s: float = 120.0
    """Ranks must have started within this, in seconds."""
    gate_timeout_s: float = 5.0
    """A gate opens by itself after this, in seconds."""
    shared_folder: str = "/dev/shm"  # noqa: S108  # a private folder is made in it
    """Folder in memory where the ranks of a host meet."""


@dataclass
class CheckConfig:
    """Calibration and validation."""

    name: str | None = None
    """Name of the calibrated cluster; unset: the cluster's own with _calibrated."""
    out: str | None = None
    """File of the calibrated cluster; unset: in the run folder."""
    cases: Cases = Cases.validation
    """What a live validation measures: validation (layers) or incast (several readers and sources; three GPUs)."""
    limit_s: float | None = None
    """Measuring live rows ends after so many seconds and lists what did not run; unset: no limit."""
    use: str = "design"
    """Recorded rows a calibration takes: design (the fewest that identify every constant) or all."""
    rounds: int = 3
    """Rounds of a live calibration or validation, each in fresh processes and an order of its own; three at least
    (cases=incast: one)."""
    p95: float = 0.03
    """95th percentile of the absolute error that a validation must reach; as issued, of the distance from the range."""
    median: float = 0.015
    """Median absolute error that queued rows must reach."""
    largest: float = 0.08
    """Largest absolute error; as issued, largest distance from the predicted range."""
    step_median: float = 0.005
    """Median absolute error that forward steps must reach."""
    step_largest: float = 0.02
    """Largest absolute error of a forward step."""
    burst_gap_s: float = 200e-6
    """A stream that is idle for longer begins a new burst, in seconds (mode=import)."""


@dataclass
class HwConfig(SimConfig):
    """Everything `dwdp-hw` reads."""

    mode: Mode = Mode.measure
    """measure, windows (time a model's kernels), calibrate, validate or import."""
    source: Source = Source.live
    """live (measure on this machine) or recorded (mode=calibrate and mode=validate)."""
    rows: Any = None
    """File or list of files with recorded rows (source=recorded)."""
    trace: Any = None
    """Nsight Systems SQLite export or torch.profiler JSON, a list of the ranks' files, or a folder of
    `python -m dwdp_hw.record` (mode=import)."""
    backend: BackendConfig = field(default_factory=BackendConfig)
    check: CheckConfig = field(default_factory=CheckConfig)


def register_hw_schemas() -> None:
    """Make the schema known to Hydra under the name that `conf/hw.yaml` lists first."""
    ConfigStore.instance().store(name="hw_schema", node=HwConfig)
