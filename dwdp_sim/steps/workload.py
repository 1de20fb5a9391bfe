"""The workload of forward steps: requests, compute times, and when ranks prefetch."""

from __future__ import annotations

from dataclasses import dataclass, field

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.steps.compute import ComputeConfig, read_interference
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.requests import RequestLoad

STEP_STARTS = ("random", "lockstep")
MOST_STEPS = 10_000  # more is a typing error
_MOST_BACKGROUND_BYTES = 1e8  # of a token: a thousand times a large model's KV cache


@dataclass(frozen=True)
class StepsWorkload:
    """Forward steps that every rank makes.

    Attributes:
        compute: How long the layers compute.
        load: Which requests arrive.
        iterations: Steps of each rank that count: enough for the longest input, whose later chunks take longer.
        warmup: Steps before them that do not.
        start: `random` (each rank begins within the first step's compute time) or `lockstep`.
        slots: Buffers for prefetched layers: with two, one layer is computed while the next is copied.
        launch_s: Host seconds to launch one layer's kernels.
        ahead: Whether the host may be one step ahead of the GPU.
        carry_over: Whether the next step's first layers are prefetched as soon as slots are free.
        background_bytes_per_token: Bytes that another GPU pulls from each rank after a step, for each of its tokens.

    Raises:
        ConfigError: A value is out of range.
    """

    compute: ComputeConfig
    load: RequestLoad = field(default_factory=RequestLoad)
    iterations: int = 2
    warmup: int = 1
    start: str = "random"
    slots: int = 2
    launch_s: float = 0.0
    ahead: bool = True
    carry_over: bool = False
    background_bytes_per_token: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("iterations", 1), ("warmup", 0)):
            if not least <= getattr(self, name) <= MOST_STEPS:
                raise ConfigError(f"workload.{name}", getattr(self, name), f"must be from {least} to {MOST_STEPS}")
        if self.start not in STEP_STARTS:
            raise ConfigError("workload.start", self.start, f"allowed for forward steps: {', '.join(STEP_STARTS)}")
        needed = self.load.most_steps_a_request()
        if self.iterations < needed:
            said = f"the longest input takes {needed} steps of workload.max_num_tokens={self.load.max_num_tokens}"
            raise ConfigError("workload.iterations", self.iterations, f"{said}: at least {needed} must count")
        self.pace()  # refuses slots, a launch time or an interference that cannot be
        if not 0 <= self.background_bytes_per_token <= _MOST_BACKGROUND_BYTES:
            raise ConfigError(
                "workload.background_bytes_per_token",
                self.background_bytes_per_token,
                f"bytes from 0 to {_MOST_BACKGROUND_BYTES:g} are wanted",
            )

    def pace(self) -> Pace:
        """Return what paces a step besides its compute windows."""
        return Pace(
            slots=self.slots,
            launch_s=self.launch_s,
            ahead=self.ahead,
            carry_over=self.carry_over,
            interference=read_interference(self.compute),
        )
