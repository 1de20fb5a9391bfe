"""An executed notebook as a page of Markdown: its text, code, pictures and tables."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PLOTLY_SCRIPT = "javascripts/plotly.min.js"
_PLOTLY = "application/vnd.plotly.v1+json"
_HIDDEN = "hide-input"  # tag of cells whose code only draws


@dataclass
class NotebookPage:
    """A page, and the pictures that it shows by file name."""

    text: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)


def notebook_page(name: str, notebook: Any) -> NotebookPage:
    """Render a notebook.

    Args:
        name: Its file's name without ending; pictures are called after it.
        notebook: As `nbformat` reads it.
    """
    page = NotebookPage()
    heading, figures, parts = name, 0, []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
            heading = headings[-1] if headings else heading
            parts.append(cell.source)
            continue
        parts.append(_code(cell))
        for data in _shown(cell):
            if _PLOTLY in data:
                figures += 1
                parts.append(_plotly(f"plotly-{figures}", data[_PLOTLY], first=figures == 1))
            elif "image/png" in data:
                picture = f"{name}_{len(page.pictures)}.png"
                page.pictures[picture] = base64.b64decode(data["image/png"])
                parts.append(f"![Figure: {heading}]({picture})")
            elif "text/html" in data:
                parts.append(data["text/html"].replace('border="1" class="dataframe"', ""))
            else:
                parts.append(_fenced(data["text/plain"].rstrip(), "text"))
    page.text = "\n\n".join(parts) + "\n"
    return page


def _code(cell: Any) -> str:
    code = _fenced(cell.source, "python")
    if _HIDDEN not in cell.metadata.get("tags", []):
        return code
    return '??? note "Code"\n\n' + "\n".join(f"    {line}".rstrip() for line in code.splitlines())


def _shown(cell: Any) -> Iterator[dict[str, Any]]:
    """What a cell showed, by MIME type."""
    for output in cell.outputs:
        yield {"text/plain": output.text} if output.output_type == "stream" else output.data


def _plotly(name: str, figure: dict[str, Any], *, first: bool) -> str:
    text = json.dumps({key: figure.get(key, []) for key in ("data", "layout", "frames")}).replace("</", "<\\/")
    script = f'<script src="../{PLOTLY_SCRIPT}"></script>\n' if first else ""
    return (
        f'{script}<div id="{name}" class="plotly-figure"></div>\n<script>(() => {{ const figure = {text};\n'
        f'Plotly.newPlot("{name}", figure.data, figure.layout, {{displayModeBar: false}})'
        f'.then(() => Plotly.addFrames("{name}", figure.frames)); }})()</script>'
    )


def _fenced(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"
