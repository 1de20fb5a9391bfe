"""What the documentation site needs beside its plugins (mkdocs.yml): pages, reports, the explorer, and equations.

A page stands on the site where the repository has it, so that links hold in both.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File
from plotly.offline import get_plotlyjs

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))
from docs.explorer.page import document as explorer  # noqa: E402

SHOWN = (
    "*.md",
    "docs/**/*.md",
    "docs/images/*.png",
    "docs/site/*.css",
    "docs/site/*.js",
    "measurements/README.md",
    "notebooks/README.md",
)
_API = ("dwdp_sim/", "dwdp_hw/")
_EQUATION = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SOURCE = re.compile(r"(\]\([^)\s:]+)\.py\)")
_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
_PICTURES = re.compile(r"<p>((?:<img [^>]*>\s*)+)</p>")
_SCROLLS = '<div class="scrolls" tabindex="0" role="group" aria-label="{}">{}</div>'
_EXPLORER = re.compile(r"\]\((docs/)?explorer/page\.py\)")  # from the root or from docs/


def on_files(files: Any, config: Any) -> None:
    """Add the pages of the repository, the rendered reports, the explorer, and plotly's script."""
    for path in [path for pattern in SHOWN for path in sorted(ROOT.glob(pattern))]:
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    reports = sorted((ROOT / "build/reports").glob("*/report.html"))
    for path in reports:
        files.append(File.generated(config, f"reports/{path.parent.name}.html", abs_src_path=str(path)))
    files.append(File.generated(config, "reports/README.md", content=reports_page(reports)))
    files.append(File.generated(config, "explorer.html", content=explorer()))
    files.append(File.generated(config, "javascripts/plotly.min.js", content=get_plotlyjs()))


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Set equations, and let links to the source of a notebook, a module or the explorer lead to its page."""
    if page.file.src_uri.startswith(_API):
        page.meta["search"] = {"boost": 0.3}
    linked = _EXPLORER.sub(lambda link: f"]({'' if link[1] else '../'}explorer.html)", with_equations(markdown))
    return _SOURCE.sub(r"\1.md)", linked)


def on_page_content(html: str, **_: Any) -> str:
    """Let what is too wide for a phone scroll in a box of its own, by keyboard as well."""
    html = _TABLE.sub(lambda table: _SCROLLS.format("Table", table[0]), html)
    return _PICTURES.sub(lambda pictures: _SCROLLS.format("Picture", pictures[1]), html)


def on_post_page(output: str, **_: Any) -> str:
    """Name the theme's search for those who do not see it."""
    return output.replace(' role="dialog"', ' role="dialog" aria-label="Search"', 1)


def with_equations(markdown: str) -> str:
    """The text with its ```math blocks, as GitHub shows them, in MathML, which browsers draw without scripts."""
    return _EQUATION.sub(lambda block: _SCROLLS.format("Equation", convert(block[1], display="block")), markdown)


def reports_page(reports: list[Path]) -> str:
    """A list of the reports with their verdicts."""
    lines = ["# Validation reports", "", "Of recorded rows; `measurements/README.md` says which.", ""]
    for path in reports:
        verdict = json.loads((path.parent / "validation.json").read_text(encoding="utf-8"))["verdict"]
        lines.append(f"- [{path.parent.name}]({path.parent.name}.html): {verdict}")
    return "\n".join(lines) + "\n"
