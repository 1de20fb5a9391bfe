"""Take the pictures with numbers of docs/reading.md, from reports that are made by commands. Run: make pictures."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import FloatRect
from screenshots import browser, write_small

from dwdp_hw.node.examine import examine
from dwdp_hw.node.parts import NAMES
from dwdp_sim.base.terminal import TextConsole

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))
from tests.dwdp_hw.node.test_examine import recorded_parts  # noqa: E402  # a node as recorded rows show it

IMAGES = ROOT / "docs/images"
_WIDTH = 900
SWEEP = "-m strategy=default,batched,ring dwdp.dwdp_size=2,4,8 results_dir=sizes"

# Puts a number at the beginning of each of the elements, in an ink that stands out from the page's own.
_NUMBERS = """selectors => selectors.forEach((selector, place) => {
  const element = document.querySelector(selector), box = element.getBoundingClientRect();
  const mark = document.createElement("span");
  mark.textContent = place + 1;
  mark.style = `position:absolute;left:${Math.max(2, box.left - 27 + scrollX)}px;top:${box.top + scrollY}px;width:24px;
    height:24px;border-radius:50%;background:#b3005e;color:#fff;font:700 15px/24px sans-serif;text-align:center`;
  document.body.append(mark);
})"""
_TOP = "selector => document.querySelector(selector).getBoundingClientRect().top + scrollY"


@dataclass(frozen=True)
class Picture:
    """A part of a page with numbers on it.

    Attributes:
        name: Of the image.
        page: File, in the folder of the reports.
        until: Selector of the first element that is left out.
        marks: Selectors of what is numbered, in order.
    """

    name: str
    page: str
    until: str
    marks: Sequence[str]


PICTURES = (
    Picture(
        "reading_sweep",
        "sizes/report.html",
        "#bars-note",
        (".verdict", ".tiles", "h2:nth-of-type(1)", "#choices .shown", ".filters", "#picture", "#bars"),
    ),
    Picture(
        "reading_validation",
        "node/validate/report.html",
        "h2:nth-of-type(4)",
        (".verdict", "h2:nth-of-type(1)", "h2:nth-of-type(2)", "h2:nth-of-type(3)"),
    ),
    Picture(
        "reading_node",
        "node/node.html",
        "h2:nth-of-type(3)",
        (".verdict", ".wide", "h2", "h2 ~ p", "h2 ~ details"),
    ),
)


def main() -> None:
    """Make the reports, and write the pictures."""
    with tempfile.TemporaryDirectory() as name, browser() as opened:
        folder = Path(name)
        _reports(folder)
        for picture in PICTURES:
            page = opened.new_page(viewport={"width": _WIDTH, "height": 900})
            page.goto((folder / picture.page).as_uri())
            page.wait_for_timeout(1500)  # for scripts that draw
            page.add_style_tag(content="main { padding-left: 2.4rem !important; }")
            page.evaluate(_NUMBERS, list(picture.marks))
            high = page.evaluate(_TOP, picture.until)
            clip: FloatRect = {"x": 0, "y": 0, "width": _WIDTH, "height": high}
            write_small(page.screenshot(full_page=True, clip=clip), IMAGES / f"{picture.name}.png")
            page.close()


def _reports(folder: Path) -> None:
    """The page on a sweep, and on a node whose parts take recorded rows for measured ones."""
    for command in (f"dwdp-sim {SWEEP}", "dwdp-report sizes"):
        program, *words = command.split()
        subprocess.run([Path(sys.executable).parent / program, *words], cwd=folder, check=True, capture_output=True)
    (folder / "node").mkdir()
    examine(recorded_parts(folder / "node"), NAMES, folder / "node", "2 × H200", TextConsole(width=120))
    page = folder / "node/node.html"
    page.write_text(page.read_text(encoding="utf-8").replace(f"{ROOT}/", ""), encoding="utf-8")  # as one would type it


if __name__ == "__main__":
    main()
