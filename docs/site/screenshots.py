"""Take pictures of pages as a desk and a phone show them. Run: python docs/site/screenshots.py FOLDER OUT

Every HTML file below FOLDER at two widths, and contact sheets of all of them to look through: OUT/sheet-WIDTH-N.png.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, sync_playwright

from dwdp_sim.base.atomic_file import write_whole

WIDTHS = (1280, 390)
_HIGHEST = 2400  # pixels of a page; what is below is not shown
_SHEET = (6, 2)  # pages across and down
_THUMBNAIL = (420, 900)
_COLOURS = 128  # enough for a page of text and its inks


@contextmanager
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    path = shutil.which("chromium")
    if path is None:
        sys.exit("chromium is wanted and not installed")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


def write_small(png: bytes, path: Path) -> None:
    """Write a picture in few colours, which is a third of the size and looks the same."""
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    write_whole(path, lambda at: small.save(at, format="PNG", optimize=True))


def take(pages: Sequence[Path], names: Sequence[str], out: Path) -> None:
    """Write the pictures and the sheets."""
    out.mkdir(parents=True, exist_ok=True)
    with browser() as opened:
        for width in WIDTHS:
            page = opened.new_page(viewport={"width": width, "height": 900})
            pictures = []
            for file, name in zip(pages, names, strict=True):
                page.goto(file.resolve().as_uri())
                page.wait_for_timeout(200)  # for scripts that draw
                high = min(_HIGHEST, page.evaluate("document.documentElement.scrollHeight"))
                path = out / f"{name}-{width}.png"
                page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": high})
                pictures.append(path)
            page.close()
            _sheets(pictures, out / f"sheet-{width}")


def _sheets(pictures: Sequence[Path], stem: Path) -> None:
    across, down = _SHEET
    wide, high = _THUMBNAIL
    for number in range(0, len(pictures), across * down):
        sheet = Image.new("RGB", (across * wide, down * (high + 20)), "grey")
        for place, path in enumerate(pictures[number : number + across * down]):
            with Image.open(path) as picture:
                small = picture.convert("RGB")
                small.thumbnail((wide - 10, 10 * high))
            left, top = (place % across) * wide, (place // across) * (high + 20)
            sheet.paste(small.crop((0, 0, small.width, min(small.height, high))), (left, top + 20))
            ImageDraw.Draw(sheet).text((left + 5, top + 4), path.stem, fill="white")
        sheet.save(f"{stem}-{number // (across * down) + 1}.png")


if __name__ == "__main__":
    root, target = map(Path, sys.argv[1:])
    found = sorted(root.rglob("*.html"))
    take(found, [path.relative_to(root).with_suffix("").as_posix().replace("/", "-") for path in found], target)
