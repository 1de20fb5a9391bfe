"""Gather everything that the documentation site shows in build/docs, as plain Markdown for any site generator.

A file's place on the site is its place in the repository without a leading `docs/`. A link to something that the site
does not have, such as a folder of source, becomes plain text there.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path

import nbformat
from equations import with_equations
from notebook_page import PLOTLY_SCRIPT, notebook_page
from plotly.offline import get_plotlyjs
from reference import reference_pages

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build/docs"
_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "measurements/README.md", "notebooks/README.md")
_FILES = ("docs/images/*.png", "measurements/reports/*/report.html", "docs/site/*.css", "docs/site/*.js")
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^]]*)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")


def main() -> None:
    """Fill build/docs anew."""
    shutil.rmtree(OUT, ignore_errors=True)
    pages = {path: (ROOT / path).read_text(encoding="utf-8") for path in (*_PAGES, *_found("docs/**/*.md"))}
    pages |= reference_pages(ROOT)
    files: dict[str, bytes] = {path: (ROOT / path).read_bytes() for pattern in _FILES for path in _found(pattern)}
    for source in _found("notebooks/*.ipynb"):
        executed = ROOT / "build" / source
        if not executed.is_file():
            sys.exit(f"gather: build/{source} is missing; run make notebooks")
        page = notebook_page(Path(source).stem, nbformat.read(executed, as_version=4))
        pages[page_of(source)] = page.text
        files |= {f"notebooks/{name}": data for name, data in page.pictures.items()}
    files[PLOTLY_SCRIPT] = get_plotlyjs().encode()
    places = {place(path) for path in (*pages, *files)}
    for path, text in pages.items():
        _write(place(path), with_equations(with_links(text, path, places)).encode())
    for path, data in files.items():
        _write(place(path), data)


def with_links(markdown: str, path: str, places: set[str]) -> str:
    """The text of the page that is at `path` in the repository, its links pointing at places on the site.

    Args:
        markdown: The text.
        path: Where links are relative to.
        places: All that the site has.
    """
    own = posixpath.dirname(place(path))

    def rewritten(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link["target"]))
        found = place(posixpath.join(target, "README.md") if (ROOT / target).is_dir() else page_of(target))
        if found not in places:
            return link["text"]
        return f"{link['image']}[{link['text']}]({posixpath.relpath(found, own or '.')}{link['anchor'] or ''})"

    return _LINK.sub(rewritten, markdown)


def page_of(path: str) -> str:
    """The page that shows a file: of a notebook or a module, its rendering."""
    if path.endswith(".ipynb"):
        return path.removesuffix(".ipynb") + ".md"
    return f"api/{path.removesuffix('.py')}.md" if path.endswith(".py") else path


def place(path: str) -> str:
    """Where a file of the repository is on the site."""
    return path.removeprefix("docs/")


def _found(pattern: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def _write(where: str, data: bytes) -> None:
    path = OUT / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    main()
