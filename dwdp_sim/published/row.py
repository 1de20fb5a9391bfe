"""One published figure beside its prediction, and the range of the prediction over what is unmeasured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_sim.base.estimate import Estimate

BLOG = "TensorRT-LLM blog 19 and arXiv 2604.01621"
SGLANG = "sgl-project/sglang PR 29778"
_NOTHING = 1e-3  # of the prediction; an assumption that moves it by less decides nothing


@dataclass(frozen=True)
class Ranged:
    """A prediction and how far what is unmeasured moves it.

    Attributes:
        value: The prediction.
        half_width: Half of its 95 % interval over draws of requests and starts; None if nothing is random.
        low: The lowest value, with one assumption changed at a time.
        high: The highest.
        decides: The assumption that moves it most; empty if none does.
        undisturbed: The prediction if copies took the least from every kind of kernel at once; None if not known.
    """

    value: float
    half_width: float | None
    low: float
    high: float
    decides: str
    undisturbed: float | None = None

    @classmethod
    def exact(cls, value: float, changed: Iterable[tuple[str, float]] = ()) -> Ranged:
        """A prediction in which nothing is random.

        Args:
            value: The prediction.
            changed: What it becomes under other assumptions, by their names.
        """
        found = list(changed)
        values = [value, *(other for _, other in found)]
        name, most = max(found, key=lambda one: abs(one[1] - value), default=("", value))
        return cls(value, None, min(values), max(values), name if abs(most - value) > _NOTHING * abs(value) else "")

    @classmethod
    def drawn(cls, values: Sequence[float], changed: Iterable[tuple[str, Sequence[float]]] = ()) -> Ranged:
        """The mean over seeds; fewer seeds do for another assumption, since it is compared with the same ones.

        Args:
            values: One a seed.
            changed: Values under other assumptions, by their names, of the first seeds.
        """
        centre = Estimate.of(values)
        moved = [(name, centre.mean + float(np.mean(v) - np.mean(values[: len(v)]))) for name, v in changed]
        found = cls.exact(centre.mean, moved)
        return cls(centre.mean, centre.half_width, found.low, found.high, found.decides)


@dataclass(frozen=True)
class PublishedRow:
    """One published figure.

    Attributes:
        what: The quantity and its inputs.
        unit: `x` (a ratio), `%` or `ms`.
        published: As published, in that unit.
        predicted: By this model.
        half_width: Half of the prediction's 95 % interval; None if nothing is random.
        low: Lowest prediction over what is unmeasured, one assumption changed at a time.
        high: Highest.
        decides: The assumption that moves it most; empty if none of those that were changed does.
        undisturbed: The prediction if copies took the least from every kind of kernel at once, which is in no range;
            None where nothing was simulated.
        assumed: What had to be assumed to predict it.
        source: Where it was published.
    """

    what: str
    unit: str
    published: float
    predicted: float
    half_width: float | None
    low: float
    high: float
    decides: str
    undisturbed: float | None
    assumed: str
    source: str

    @property
    def difference(self) -> float:
        """Predicted ÷ published − 1; for gains, which may be zero, predicted − published in points."""
        return self.predicted - self.published if self.unit == "%" else self.predicted / self.published - 1.0

    @property
    def in_range(self) -> bool:
        """Whether the published figure lies in the prediction's range."""
        return self.low <= self.published <= self.high


def published_row(
    what: str, unit: str, published: float, found: Ranged, assumed: str, source: str = BLOG
) -> PublishedRow:
    """A row from a prediction as a ratio or in seconds; `%` and `ms` are shown times 100 and 1,000."""
    scale = {"x": 1.0, "%": 100.0, "ms": 1e3}[unit]
    half, alone = (None if one is None else scale * one for one in (found.half_width, found.undisturbed))
    values = scale * found.value, half, scale * found.low, scale * found.high
    return PublishedRow(what, unit, published, *values, found.decides, alone, assumed, source)
