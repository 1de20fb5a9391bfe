"""Where the explorer's grid is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "data/explorer.json"


def read() -> dict[str, Any]:
    """The grid (docs/explorer/__main__.py makes it)."""
    content: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return content
