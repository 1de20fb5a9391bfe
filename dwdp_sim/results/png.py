"""Write a figure as a PNG that is the same wherever it is drawn."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, cast

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_DOTS_PER_INCH = 110


def write_png(figure: Figure, path: Path, dots_per_inch: int = _DOTS_PER_INCH) -> None:
    """Write what `Figure.savefig` would, in half the time: that draws a figure once more before, to lay it out."""
    figure.set_dpi(dots_per_inch)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
        cast(Any, FigureCanvasAgg(figure)).print_png(path, metadata={"Software": None})
