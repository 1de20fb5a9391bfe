"""What a result shows of itself in a notebook."""

from __future__ import annotations

import base64
import html
import io
import warnings
from typing import TYPE_CHECKING

from dwdp_sim.base.units import format_seconds

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 80  # of the page
_FINER = 2  # dots of the picture for one of the page, for screens that have them
_NOTHING_S = 1e-12  # what is shorter comes from rounding
_SCROLLS = "max-width:100%;overflow-x:auto"  # on a narrow screen, where text would get too small to be read


def html_of(sentence: str, table: pd.DataFrame, figure: Figure | None = None) -> str:
    """A sentence, a picture and a table as HTML that needs no file beside it.

    Args:
        sentence: What was found.
        table: Its rows. Numbers in a row or column whose name ends in `_s` are seconds, and shown in a unit that
            fits; others have four significant figures.
        figure: Its picture.
    """
    rows = _readable(table).to_html(border=0)
    picture = "" if figure is None else _image(figure, sentence)
    return f'<p>{html.escape(sentence)}</p>{picture}<div style="{_SCROLLS};white-space:nowrap">{rows}</div>'


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text."""
    shown = table.astype(object)
    for place, row in enumerate(table.index):
        for column, name in enumerate(table.columns):
            value = table.iloc[place, column]
            if isinstance(value, float):
                seconds = any(str(each).endswith("_s") and "_per_s" not in str(each) for each in (row, name))
                shown.iloc[place, column] = _seconds(value) if seconds else f"{value:.4g}"
    return shown


def _seconds(value: float) -> str:
    return format_seconds(0.0 if abs(value) < _NOTHING_S else value)


def _image(figure: Figure, description: str) -> str:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # in names of a script that the font lacks
        figure.savefig(content, format="png", dpi=_FINER * _DOTS_PER_INCH)
    data = base64.b64encode(content.getvalue()).decode("ascii")
    width = round(figure.get_figwidth() * _DOTS_PER_INCH)
    alt = html.escape(f"Picture of: {description}")
    image = f'<img alt="{alt}" width="{width}" style="max-width:none" src="data:image/png;base64,{data}">'
    return f'<div style="{_SCROLLS}">{image}</div>'
