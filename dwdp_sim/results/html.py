"""Build reports of sections with text, tables and pictures, as HTML or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from dwdp_sim.base.errors import visible

_LONG = 30  # characters of a last cell from which on it wraps


@dataclass(frozen=True)
class Section:
    """A heading with the text, the table and the figure under it.

    Attributes:
        heading: Of the section.
        text: A paragraph; empty for none.
        header, rows: A table; without rows there is none. A header of empty names is not shown.
        figure: SVG; it appears in HTML only.
    """

    heading: str
    text: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    figure: str = ""

    def html(self) -> str:
        """The section as HTML."""
        parts = [f"<h2>{escape(self.heading)}</h2>"]
        if self.text:
            parts.append(f'<p class="soft">{escape(self.text)}</p>')
        if self.figure:
            label = escape(self.heading)  # focusable, since one that is too wide scrolls by keyboard as well
            parts.append(f'<figure tabindex="0" role="img" aria-label="{label}">{self.figure}</figure>')
        if self.rows:
            parts.append(table(self.header, self.rows))
        return "\n".join(parts)

    def markdown(self) -> str:
        """The section as Markdown, without its figure."""
        parts = [f"## {_plain_markdown(self.heading)}"]
        if self.text:
            parts.append(_plain_markdown(self.text))
        if self.rows:
            lines = [self.header, ["---"] * len(self.header), *self.rows]
            cells = [[_plain_markdown(cell).replace("|", "/") for cell in line] for line in lines]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in cells))
        return "\n\n".join(parts)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain text; a long last column wraps."""
    styled = [[cell(text) for text in row[:-1]] + [cell(row[-1], "long" * (len(row[-1]) > _LONG))] for row in rows]
    return table_of_cells([heading(text) for text in header] if any(header) else [], styled, ", ".join(header))


def table_of_cells(head: Sequence[str], rows: Sequence[Sequence[str]], label: str, name: str = "") -> str:
    """A table of cells that are HTML already. One that is too wide scrolls, by keyboard as well.

    Args:
        head: `heading`s; none for no head.
        rows: `cell`s.
        label: What the table shows, for those who do not see it.
        name: The table's id on the page; empty for none.
    """
    opening = f'<table id="{escape(name)}">' if name else "<table>"
    top = f"<thead><tr>{''.join(head)}</tr></thead>" if head else ""
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label.strip(", ") or "table")}">'
        f"{opening}{top}<tbody>{body}</tbody></table></div>"
    )


def heading(text: str, style: str = "") -> str:
    """A column's heading."""
    return f'<th scope="col"{_class(style)}>{escape(text)}</th>'


def sorting_heading(text: str, style: str = "", *, rising: bool = False) -> str:
    """A heading that sorts its table by the cells' keys at a click, by `browser/table.js`.

    Args:
        text: The heading.
        style: Of the column.
        rising: Whether the table is sorted by this column already.
    """
    sort = ' aria-sort="ascending"' if rising else ""
    return f'<th scope="col"{_class(style)}{sort}><button type="button">{escape(text)}</button></th>'


def cell(text: str, style: str = "", key: float | None = None) -> str:
    """A cell of plain text; `key` is what its column sorts by."""
    return f"<td{_class(style)}{'' if key is None else f' data-key={key:.6g}'}>{escape(text)}</td>"


def verdict_page(title: str, verdict: Sequence[str], sections: Sequence[Section], *, state: str) -> str:
    """Return a page headed by a verdict: its first line is a word or two, the others say what it rests on.

    Args:
        title: Of the page.
        verdict: The lines.
        sections: What follows.
        state: The verdict as the page's title names it: `agrees`, `disagrees` or `cannot tell`, which are coloured.
    """
    reasons = "".join(f"<li>{escape(line)}</li>" for line in verdict[1:])
    style = state.replace(" ", "-")
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<div class="verdict {style}" role="status"><strong>{escape(verdict[0])}</strong><ul>{reasons}</ul></div>',
        *(section.html() for section in sections),
    ]
    return page(f"{title}: {state}", "\n".join(body))


def verdict_markdown(title: str, verdict: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the content of `verdict_page` as Markdown, without pictures."""
    first, *others = map(_plain_markdown, verdict)
    parts = [f"# {_plain_markdown(title)}", f"**{first}**", "\n".join(f"- {line}" for line in others)]
    return "\n\n".join([*parts, *(section.markdown() for section in sections)]) + "\n"


def page(title: str, body: str, *, style: str = "", meta: str = "") -> str:
    """Return a whole page in the common style.

    Args:
        title: Plain text.
        body: HTML.
        style: CSS beside the common one.
        meta: HTML for the head.
    """
    common = (Path(__file__).parent / "base.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{meta}
<title>{escape(title)}</title><style>{common}{style}</style></head><body><main>
{body}
</main></body></html>
"""


def _plain_markdown(text: str) -> str:
    """Text on one line that is no HTML and no link."""
    return visible(text).replace("<", "&lt;").replace("](", "]\\(")


def _class(style: str) -> str:
    return f' class="{escape(style)}"' if style else ""
