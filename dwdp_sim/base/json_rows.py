"""Write JSON that people can read and compare: one row on each line."""

from __future__ import annotations

import json
from typing import Any


def json_rows(content: Any, levels: int = 2) -> str:
    """Return `content` as JSON with each entry of the outer levels, and all that is in it, on a line of its own.

    Args:
        content: What `json.dumps` takes, with strings as keys.
        levels: How deep entries have their own lines: 1 where the content itself is the rows, 2 where it names them.
    """
    return _written(content, levels, "") + "\n"


def _written(value: Any, levels: int, margin: str) -> str:
    if levels == 0 or not value or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    inner = margin + " "
    if isinstance(value, dict):
        first, last = "{}"
        names = [json.dumps(name, ensure_ascii=False) for name in value]
        entries = [
            f"{name}: {_written(below, levels - 1, inner)}" for name, below in zip(names, value.values(), strict=True)
        ]
    else:
        first, last = "[]"
        entries = [_written(below, levels - 1, inner) for below in value]
    return first + "\n" + ",\n".join(inner + entry for entry in entries) + f"\n{margin}{last}"
