"""Compute windows: how long the parts of a forward step compute on each rank."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import ArrayLike

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.base.typed_file import convert
from dwdp_sim.base.user_file import read_json
from dwdp_sim.steps.requests import MOST_TOKENS

VARIATIONS = ("iteration", "layer")
MOST_VARIATION = 10.0  # most factors are then far below 1, and a rare one far above
LONGEST_S = 1e6  # of a part of a layer; so late, times are still known to 0.1 ns

_Seconds = Annotated[float, Meta(ge=0, le=LONGEST_S)]
_Tokens = Annotated[int, Meta(ge=0, le=MOST_TOKENS)]


class _File(Struct, forbid_unknown_fields=True):
    lead_s: list[list[_Seconds]]
    before_s: list[list[list[_Seconds]]]
    moe_s: list[list[list[_Seconds]]]
    tokens: list[list[_Tokens]] | None = None


@dataclass(frozen=True)
class StepWindows:
    """Compute times of forward steps, in seconds.

    Attributes:
        lead_s: Dense layers before the first MoE layer, shape (ranks, iterations).
        before_s: From the end of the previous MoE block (or of the lead) to the point where the layer waits for its
            experts: attention, norms, router; shape (ranks, iterations, layers).
        moe_s: The MoE block, which needs the prefetched experts; shape (ranks, iterations, layers).
        tokens: New tokens of each step, shape (ranks, iterations); 0 if unknown.
        before_slowdown: How many times as long the part before the MoE block takes while copies arrive, at least 1; one
            number or one a layer, as `before_s`.
        moe_slowdown: The same of the MoE block.

    Raises:
        ConfigError: Shapes that do not belong together, values below zero, or times above `LONGEST_S`.
    """

    lead_s: Floats
    before_s: Floats
    moe_s: Floats
    tokens: Ints
    before_slowdown: Floats | float = 1.0
    moe_slowdown: Floats | float = 1.0

    def __post_init__(self) -> None:
        if self.moe_s.ndim != 3 or 0 in self.moe_s.shape:
            raise ConfigError("moe_s", f"shape {self.moe_s.shape}", "[rank][iteration][layer] is wanted, none empty")
        steps = self.moe_s.shape[:2]
        for name, shape in (("before_s", self.moe_s.shape), ("lead_s", steps), ("tokens", steps)):
            if getattr(self, name).shape != shape:
                raise ConfigError(name, f"shape {getattr(self, name).shape}", f"{shape} is wanted, to go with moe_s")
        for name in ("before_slowdown", "moe_slowdown"):
            factor = np.asarray(getattr(self, name))
            if factor.shape not in ((), self.moe_s.shape) or not (np.isfinite(factor) & (factor >= 1)).all():
                raise ConfigError(name, "a factor below 1 or not one a layer", "finite factors ≥ 1 are wanted")
        for name in ("lead_s", "before_s", "moe_s", "tokens"):
            values = getattr(self, name)
            most = math.inf if name == "tokens" else LONGEST_S
            if not (np.isfinite(values) & (values >= 0)).all():
                raise ConfigError(name, "a value below zero or not finite", "finite numbers ≥ 0 are wanted")
            if values.max(initial=0) > most:
                raise ConfigError(name, f"{values.max():g}", f"at most {most:g} s are wanted")

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
        if not 0 <= value <= LONGEST_S:
            raise ConfigError(f"compute.{key}", value, f"seconds from 0 to {LONGEST_S:g} are wanted")
    if not 0 <= before_share <= 1:
        raise ConfigError("compute.before_share", before_share, "a share from 0 to 1 is wanted")
    counted = np.zeros(shape[:2], dtype=np.int64) if tokens is None else np.asarray(tokens, dtype=np.int64)
    if counted.shape != shape[:2]:
        raise ConfigError("tokens", f"shape {counted.shape}", f"{shape[:2]} is wanted: ranks, iterations")
    scale = counted / counted.mean() if counted.any() else np.ones(shape[:2])
    layers_s = np.repeat((window_s * scale)[:, :, None], shape[2], axis=2)
    return StepWindows(lead_s * scale, before_share * layers_s, (1 - before_share) * layers_s, counted)


def varied_windows(windows: StepWindows, cv: float, per: str, seed: int) -> StepWindows:
    """Windows multiplied by random factors: log-normal with mean 1, so always positive.

    Args:
        windows: What to vary.
        cv: Coefficient of variation of a factor: standard deviation ÷ mean.
        per: `iteration`: one factor for all of a step; `layer`: one for each MoE layer and one for the lead.
        seed: Of the random numbers.

    Raises:
        ConfigError: `cv` is out of range, or `per` is unknown.
    """
    if not 0 <= cv <= MOST_VARIATION:
        raise ConfigError("compute.variation", cv, f"a coefficient of variation from 0 to {MOST_VARIATION:g} is wanted")
    check_choice("compute.variation_per", per, VARIATIONS)
    sigma = math.sqrt(math.log1p(cv * cv))  # of the logarithm; E = exp(mu + sigma²/2) = 1, Var = exp(sigma²) - 1 = cv²
    drawn = 1 + windows.layers if per == "layer" else 1
    shape = (windows.ranks, windows.iterations, drawn)
    factors = np.random.default_rng(seed).lognormal(-sigma * sigma / 2, sigma, shape)
    of_layers = factors[..., -windows.layers :] if per == "layer" else factors
    return replace(
        windows,
        lead_s=windows.lead_s * factors[..., 0],
        before_s=windows.before_s * of_layers,
        moe_s=windows.moe_s * of_layers,
    )


def windows_from_file(path: str) -> StepWindows:
    """Read windows from a JSON object: `lead_s[rank][iteration]`, `before_s` and `moe_s[rank][iteration][layer]`.

    `tokens[rank][iteration]` may stand beside them.

    Raises:
        ConfigError: The file cannot be read, or does not hold such lists of equal sizes.
    """
    key = "compute.file"
    file = convert(read_json(path, key), _File, path, key)
    try:
        lead_s, before_s, moe_s = (_array(getattr(file, name), name) for name in ("lead_s", "before_s", "moe_s"))
        tokens = np.zeros(lead_s.shape) if file.tokens is None else _array(file.tokens, "tokens")
        return StepWindows(lead_s, before_s, moe_s, tokens.astype(np.int64))
    except ConfigError as error:
        raise ConfigError(key, path, str(error)) from error


def _array(lists: Any, name: str) -> Floats:
    try:
        return np.array(lists, dtype=np.float64)
    except ValueError as error:
        raise ConfigError(name, "not a regular nested list", "numbers in lists of equal lengths are wanted") from error
