"""Compute windows: how long the parts of a forward step compute on each rank."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dwdp_sim.errors import ConfigError


@dataclass(frozen=True)
class StepWindows:
    """Compute times of forward steps, in seconds.

    Attributes:
        lead_s: Dense layers before the first MoE layer, shape (ranks, iterations).
        before_s: From the end of the previous MoE block (or of the lead) to the point where the layer waits for its
            experts: attention, norms, router; shape (ranks, iterations, layers).
        moe_s: The MoE block, which needs the prefetched experts; shape (ranks, iterations, layers).
        tokens: New tokens of each step, shape (ranks, iterations); 0 where nobody counted them.

    Raises:
        ConfigError: Shapes that do not belong together, or values that are no finite numbers ≥ 0.
    """

    lead_s: NDArray[np.float64]
    before_s: NDArray[np.float64]
    moe_s: NDArray[np.float64]
    tokens: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.moe_s.ndim != 3 or 0 in self.moe_s.shape:
            raise ConfigError("moe_s", f"shape {self.moe_s.shape}", "[rank][iteration][layer] is wanted, none empty")
        steps = self.moe_s.shape[:2]
        for name, shape in (("before_s", self.moe_s.shape), ("lead_s", steps), ("tokens", steps)):
            if getattr(self, name).shape != shape:
                raise ConfigError(name, f"shape {getattr(self, name).shape}", f"{shape} is wanted, to go with moe_s")
        for name in ("lead_s", "before_s", "moe_s", "tokens"):
            values = getattr(self, name)
            if not (np.isfinite(values) & (values >= 0)).all():
                raise ConfigError(name, "a value below zero or not finite", "finite numbers ≥ 0 are wanted")

    @property
    def ranks(self) -> int:
        """Ranks that compute."""
        return int(self.moe_s.shape[0])

    @property
    def iterations(self) -> int:
        """Forward steps of each rank."""
        return int(self.moe_s.shape[1])

    @property
    def layers(self) -> int:
        """MoE layers of a forward step."""
        return int(self.moe_s.shape[2])


def constant_windows(
    window_s: float,
    before_share: float,
    shape: tuple[int, int, int],
    tokens: ArrayLike | None = None,
    lead_s: float = 0.0,
) -> StepWindows:
    """Windows that are equal for all layers, and for all steps or in proportion to their tokens.

    Args:
        window_s: Seconds of a layer, at the mean of `tokens` where they are given.
        before_share: Part of a layer's window before it waits for its experts, from 0 to 1.
        shape: Ranks, iterations, MoE layers.
        tokens: New tokens of each step, shape (ranks, iterations). A step's windows are scaled by tokens ÷ their mean.
        lead_s: Seconds before the first MoE layer; scaled likewise.

    Raises:
        ConfigError: A time below zero, a share outside 0 to 1, or tokens that do not fit `shape`.
    """
    for key, value in (("window_s", window_s), ("lead_s", lead_s)):
        if not 0 <= value < math.inf:
            raise ConfigError(f"compute.{key}", value, "seconds ≥ 0 are wanted")
    if not 0 <= before_share <= 1:
        raise ConfigError("compute.before_share", before_share, "a share from 0 to 1 is wanted")
    counted = np.zeros(shape[:2], dtype=np.int64) if tokens is None else np.asarray(tokens, dtype=np.int64)
    if counted.shape != shape[:2]:
        raise ConfigError("tokens", f"shape {counted.shape}", f"{shape[:2]} is wanted: ranks, iterations")
    scale = counted / counted.mean() if counted.any() else np.ones(shape[:2])
    layers_s = np.repeat((window_s * scale)[:, :, None], shape[2], axis=2)
    return StepWindows(lead_s * scale, before_share * layers_s, (1 - before_share) * layers_s, counted)
