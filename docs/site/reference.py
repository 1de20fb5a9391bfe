"""The API pages: one for each module, for mkdocstrings to fill, and an overview of what each module answers."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGES = ("dwdp_sim", "dwdp_hw")
_LESS_IN_SEARCH = "---\nsearch:\n  boost: 0.3\n---\n\n"


def reference_pages(root: Path) -> dict[str, str]:
    """Pages by path: api/PACKAGE.md and api/PACKAGE/MODULE.md."""
    pages = {}
    for package in PACKAGES:
        pages[f"api/{package}.md"] = _overview(root / package)
        for module in _modules(root / package):
            path = module.relative_to(root).with_suffix("")
            dotted = ".".join(path.parts)
            pages[f"api/{path.as_posix()}.md"] = f"{_LESS_IN_SEARCH}# {dotted}\n\n::: {dotted}\n"
    return pages


def _modules(package: Path) -> list[Path]:
    """Modules of the package itself before those of its subpackages."""
    found = [path for path in package.rglob("*.py") if not path.stem.startswith("_")]
    return sorted(found, key=lambda path: (path.parent != package, path))


def _overview(package: Path) -> str:
    """Modules with the first line of their docstrings."""
    lines = [f"# {package.name}", "", _first_line(package / "__init__.py"), "", "| module | |", "| --- | --- |"]
    for module in _modules(package):
        path = module.relative_to(package).with_suffix("")
        lines.append(f"| [{'.'.join(path.parts)}]({package.name}/{path.as_posix()}.md) | {_first_line(module)} |")
    return "\n".join(lines) + "\n"


def _first_line(module: Path) -> str:
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n", maxsplit=1)[0].replace("\n", " ").replace("|", "\\|")
