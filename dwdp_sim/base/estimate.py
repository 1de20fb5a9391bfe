"""A mean with its confidence interval, and the gain of one series over another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over replications.

    Attributes:
        mean: The mean.
        half_width: Half of its 95 % interval (Student's t); NaN from a single replication.
        count: Replications.
    """

    mean: float
    half_width: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Return the estimate from one value for each replication."""
        count = len(values)
        if count < 2:
            return cls(float(values[0]), math.nan, count)
        from scipy.special import stdtrit  # noqa: PLC0415  # a quarter of a second that a single run need not wait

        quantile = float(stdtrit(count - 1, 0.5 + _CONFIDENCE / 2))
        return cls(float(np.mean(values)), quantile * float(np.std(values, ddof=1)) / math.sqrt(count), count)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero, so that a paired difference is significant."""
        return abs(self.mean) > self.half_width


def paired_gain(of: Sequence[float], over: Sequence[float]) -> Estimate:
    """Return the gain in speed of `of` over `over`, replication by replication: over ÷ of − 1.

    Args:
        of: Times under one strategy, one a seed.
        over: Times under another, of the same seeds.
    """
    return Estimate.of([b / a - 1.0 for a, b in zip(of, over, strict=True)])
