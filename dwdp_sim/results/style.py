"""The style that every page of this toolkit shares."""

from __future__ import annotations

from pathlib import Path

BROWSER = Path(__file__).resolve().parents[1] / "sweep" / "page" / "browser"


def base_style() -> str:
    """Text, tables, verdicts and figures, light and dark."""
    return (BROWSER / "base.css").read_text(encoding="utf-8")
