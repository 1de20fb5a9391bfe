"""Equations (```math blocks, as GitHub shows them) as MathML, which browsers draw without scripts."""

from __future__ import annotations

import re

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def with_equations(markdown: str) -> str:
    """The text with its ```math blocks in MathML."""
    return _BLOCK.sub(lambda block: f'<div class="equation">{convert(block[1], display="block")}</div>', markdown)
