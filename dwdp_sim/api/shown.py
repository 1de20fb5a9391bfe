"""What a result shows of itself in a notebook."""

from __future__ import annotations

import base64
import html
import io
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def html_of(sentence: str, table: pd.DataFrame, figure: Figure | None = None) -> str:
    """A sentence, a picture and a table as HTML that needs no file beside it.

    Args:
        sentence: What was found.
        table: Its rows; numbers with four significant figures.
        figure: Its picture.
    """
    rows = table.to_html(float_format=lambda value: f"{value:.4g}", border=0)
    return f"<p>{html.escape(sentence)}</p>{'' if figure is None else _image(figure, sentence)}{rows}"


def _image(figure: Figure, description: str) -> str:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # in names of a script that the font lacks
        figure.savefig(content, format="png", dpi=80)
    data = base64.b64encode(content.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(description)}" style="max-width:100%" src="data:image/png;base64,{data}">'
