"""Say which known word is nearest to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def nearest(word: str, known: Collection[str]) -> str:
    """Return `; nearest: …` for the end of a message; empty if no known word is near."""
    found = difflib.get_close_matches(word[:200], list(known), n=2)
    return f"; nearest: {', '.join(found)}" if found else ""
