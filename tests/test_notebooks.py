"""A notebook is a script that an editor of notebooks writes back as it is, and is listed. `make notebooks` runs it."""

from __future__ import annotations

import ast
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))


def body(script: str) -> str:
    """The script without its header, which names versions once an editor has written it."""
    return script.split("# ---\n", maxsplit=2)[2]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_editor_of_notebooks_writes_the_script_back_as_it_is(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert body(jupytext.writes(jupytext.reads(text, fmt="py:percent"), fmt="py:percent")) == body(text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_asks_a_question_and_ends_with_assertions_on_its_finding(script: Path) -> None:
    cells = jupytext.read(script).cells
    assert cells[0].source.startswith("# ")
    assert "**" in cells[0].source
    assert "?" in cells[0].source
    assert any("## Finding" in cell.source for cell in cells)
    assert "assert " in cells[-1].source


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_uses_the_packages_by_their_front_doors_only(script: Path) -> None:
    nodes = list(ast.walk(ast.parse(script.read_text(encoding="utf-8"))))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    ours = {module for module in imported if module.split(".")[0] in ("dwdp_sim", "dwdp_hw")}
    assert ours
    assert ours <= {"dwdp_sim", "dwdp_hw"}


def test_every_notebook_is_a_script_and_is_listed() -> None:
    listed = (ROOT / "notebooks/README.md").read_text(encoding="utf-8")
    assert SCRIPTS
    for script in SCRIPTS:
        assert f"({script.name})" in listed
