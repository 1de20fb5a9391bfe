"""The explorer as one HTML file that loads nothing: the grid, and scripts that look answers up in it and draw them.

Run: python -m docs.explorer.page FILE.html; `make docs` puts it on the site.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path
from string import Template

from docs.explorer.data import read
from docs.explorer.excerpt import DIGITS
from dwdp_sim.results.html import page

_BROWSER = Path(__file__).parent / "browser"
_SCRIPTS = ("grid.js", "choices.js", "words.js", "drawing.js", "gains.js", "timeline.js", "split.js", "explorer.js")
_TITLE = "DWDP explorer"


def document() -> str:
    """The page; its security policy lets only its own script run and loads nothing."""
    own = "\n".join((_BROWSER / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    script = f'\n"use strict";\n(() => {{\n{own}}})();\n'
    grid = read() | {"digits": DIGITS}
    body = Template((_BROWSER / "explorer.html").read_text(encoding="utf-8")).substitute(
        title=_TITLE,
        data=json.dumps(grid, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        script=script,
    )
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page(_TITLE, body, style=(_BROWSER / "explorer.css").read_text(encoding="utf-8"), meta=meta)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
