"""Sections of text, tables and pictures as one HTML page without network, or as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dwdp_sim.results.style import base_style

Cells = list[str]


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it; `figure` is SVG and appears in HTML only."""

    heading: str
    text: str = ""
    header: Cells | None = None
    rows: Sequence[Cells] = ()
    figure: str = ""


def html_page(title: str, verdict: Sequence[str], sections: Sequence[Section], *, passed: bool) -> str:
    """The page; `verdict` is a word and what it rests on, and its colour says whether that is good."""
    state = "passed" if passed else "failed"
    reasons = "".join(f"<li>{escape(line)}</li>" for line in verdict[1:])
    body = "\n".join(map(_html_section, sections))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}: {state}</title><style>{base_style()}</style></head><body><main>
<h1>{escape(title)}</h1>
<div class="verdict {state}" role="status"><strong>{escape(verdict[0])}</strong><ul>{reasons}</ul></div>
{body}
</main></body></html>
"""


def markdown_page(title: str, verdict: Sequence[str], sections: Sequence[Section]) -> str:
    """The same without pictures."""
    parts = [f"# {title}", f"**{verdict[0]}**", "\n".join(f"- {line}" for line in verdict[1:])]
    for section in sections:
        parts.append(f"## {section.heading}")
        if section.text:
            parts.append(section.text)
        if section.header:
            lines = [section.header, ["---"] * len(section.header), *section.rows]
            parts.append("\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def _html_section(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    if section.text:
        parts.append(f"<p>{escape(section.text)}</p>")
    if section.figure:
        parts.append(f'<figure role="img" aria-label="{escape(section.heading)}">{section.figure}</figure>')
    if section.header:
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in section.header)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in section.rows)
        parts.append(f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')
    return "\n".join(parts)
