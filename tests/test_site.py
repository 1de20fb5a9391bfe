"""What the documentation site gathers: pages, links that hold there, and notebooks as pages."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "docs/site"))
gather = pytest.importorskip("gather")
from notebook_page import notebook_page  # noqa: E402

PLACES = {
    "README.md",
    "model.md",
    "design/README.md",
    "images/a.png",
    "api/dwdp_sim/plan/copy_plan.md",
    "notebooks/01_x.md",
}


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("README.md", "[m](docs/model.md)", "[m](model.md)"),
        ("README.md", "[m](docs/model.md#units)", "[m](model.md#units)"),
        ("README.md", "![a](docs/images/a.png)", "![a](images/a.png)"),
        ("README.md", "[d](docs/design/)", "[d](design/README.md)"),
        ("docs/design/note.md", "[m](../model.md)", "[m](../model.md)"),
        ("docs/model.md", "[p](../dwdp_sim/plan/copy_plan.py)", "[p](api/dwdp_sim/plan/copy_plan.md)"),
        ("docs/model.md", "[n](../notebooks/01_x.ipynb)", "[n](notebooks/01_x.md)"),
        ("notebooks/README.md", "[n](01_x.ipynb)", "[n](01_x.md)"),
        ("docs/model.md", "[conf](../conf/cluster)", "conf"),  # the site does not have it
        ("docs/model.md", "[paper](https://arxiv.org/abs/2604.01621)", "[paper](https://arxiv.org/abs/2604.01621)"),
    ],
)
def test_a_link_of_the_repository_holds_on_the_site(page: str, link: str, expected: str) -> None:
    assert gather.with_links(link, page, PLACES) == expected


def test_every_page_has_a_place_in_the_navigation() -> None:
    config = yaml.safe_load((ROOT / "docs/site/mkdocs.yml").read_text(encoding="utf-8"))

    def pages(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [page for below in (entry.values() if isinstance(entry, dict) else entry) for page in pages(below)]

    shown = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    shown |= {gather.page_of(path.relative_to(ROOT).as_posix()) for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {gather.place(page) for page in shown} <= set(pages(config["nav"]))


def test_a_notebook_becomes_text_code_pictures_and_tables() -> None:
    v4 = nbformat.v4
    png = base64.b64encode(b"picture").decode()
    shown = [
        v4.new_output("stream", text="1 ms\n"),
        v4.new_output("display_data", {"image/png": png, "text/plain": "<Figure>"}),
        v4.new_output(
            "execute_result", {"text/html": '<table border="1" class="dataframe"></table>', "text/plain": "a"}
        ),
        v4.new_output("display_data", {"application/vnd.plotly.v1+json": {"data": [], "layout": {"title": "</p>"}}}),
    ]
    drawing = v4.new_code_cell("draw()", outputs=shown, metadata={"tags": ["hide-input"]})
    page = notebook_page("01_x", v4.new_notebook(cells=[v4.new_markdown_cell("# Title"), drawing]))
    assert page.pictures == {"01_x_0.png": b"picture"}
    for expected in (
        "# Title\n",
        '??? note "Code"\n\n    ```python\n    draw()\n    ```',
        "```text\n1 ms\n```",
        "![Figure: Title](01_x_0.png)",
        "<table ></table>",
        '<script src="../javascripts/plotly.min.js"></script>',
        "<\\/p>",  # cannot end the script early
    ):
        assert expected in page.text
