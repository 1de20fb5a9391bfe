"""A notebook has the cells of its script and nothing else, and is listed. `make notebooks` runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))


def cells(notebook: Any) -> list[tuple[str, str, list[str]]]:
    return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_has_the_cells_of_its_script_and_no_outputs(script: Path) -> None:
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    assert cells(notebook) == cells(jupytext.read(script)), "run make pair"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_every_notebook_has_a_script_and_is_listed() -> None:
    listed = (ROOT / "notebooks/README.md").read_text(encoding="utf-8")
    assert [path.stem for path in SCRIPTS] == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for script in SCRIPTS:
        assert f"({script.stem}.ipynb)" in listed
