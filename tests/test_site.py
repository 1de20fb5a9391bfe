"""The documentation site: links that hold there, a place for every page, and notebooks as pages."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "docs/site"))
hooks = pytest.importorskip("hooks")
import gallery  # noqa: E402
import keys  # noqa: E402
from nbconvert import MarkdownExporter  # noqa: E402


def shown(markdown: str, page: str = "docs/model.md") -> tuple[str, dict[str, Any]]:
    """The text that the site makes a page of, and the page's metadata."""
    made = SimpleNamespace(file=SimpleNamespace(src_uri=page), meta={})
    return hooks.on_page_markdown(markdown, page=made), made.meta


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[n](01_x.py), [m](../docs/model.md)", "[n](01_x.md), [m](../docs/model.md)"),
        ("[p](../dwdp_sim/plan.py)", "[p](../dwdp_sim/plan.md)"),
        ("[f](https://example.org/a.py)", "[f](https://example.org/a.py)"),
    ],
)
def test_a_link_to_a_source_leads_to_its_page(link: str, expected: str) -> None:
    assert shown(link)[0] == expected


def test_an_equation_is_drawn_without_scripts() -> None:
    text, _ = shown("before\n\n```math\na \\over b\n```\n\nafter\n")
    assert text.startswith('before\n\n<div class="scrolls" tabindex="0" role="group" aria-label="Equation"><math')
    assert "<mfrac>" in text
    assert "```" not in text


def test_the_search_finds_pages_before_modules() -> None:
    assert shown("", "dwdp_sim/plan.md")[1] == {"search": {"boost": 0.3}}
    assert shown("", "docs/model.md")[1] == {}


def test_every_page_has_a_place_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")

    def pages(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [page for below in (entry.values() if isinstance(entry, dict) else entry) for page in pages(below)]

    found = {path.relative_to(ROOT).as_posix() for pattern in hooks.SHOWN for path in ROOT.glob(pattern)}
    found |= {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.py")} | {"reports/README.md"}
    assert {page for page in found if page.endswith(".md")} == set(pages(yaml.safe_load(text)["nav"])) - {"API"}


def test_the_page_of_keys_is_current_and_explains_every_key() -> None:
    page = keys.page()
    assert keys.PAGE.read_text(encoding="utf-8") == page, "run make figures"
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert all(len(row[-1].rstrip(" |")) > 3 for row in rows)
    for key in ("strategy.slice_bytes", "workload.max_num_tokens", "check.p95", "advise.also", "backend.window_s"):
        assert f"| `{key}` |" in page


def test_every_picture_of_the_pages_is_small_and_a_gallery_s_has_its_command() -> None:
    images = ROOT / "docs/images"
    assert [path.name for path in images.iterdir() if path.stat().st_size > 150_000] == []
    drawn = {path.name for path in images.glob("gallery_*")}
    assert drawn == {image for image, _, _ in gallery.entries()}


def test_a_report_is_listed_with_its_verdict(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "validation.json").write_text('{"verdict": "cannot tell"}')
    assert "- [mine](mine.html): cannot tell\n" in hooks.reports_page([tmp_path / "mine" / "report.html"])


def test_a_notebook_becomes_text_code_pictures_and_tables() -> None:
    v4 = nbformat.v4
    outputs = [
        v4.new_output("stream", text="1 ms\n"),
        v4.new_output("display_data", {"image/png": base64.b64encode(b"picture").decode(), "text/plain": "<Figure>"}),
        v4.new_output(
            "execute_result", {"text/html": '<table border="1" class="dataframe"></table>', "text/plain": "a"}
        ),
        v4.new_output("display_data", {"application/vnd.plotly.v1+json": {"data": [], "layout": {"title": "</p>"}}}),
    ]
    cells = [
        v4.new_markdown_cell("# Title\n\ntext"),
        v4.new_code_cell("draw()", outputs=outputs, metadata={"tags": ["hide-input"]}),
        v4.new_code_cell("print()"),
    ]
    notebook = v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    exporter = MarkdownExporter(template_file=str(ROOT / "docs/site/notebook.md.j2"))
    text, resources = exporter.from_notebook_node(notebook)
    ((picture, data),) = resources["outputs"].items()
    assert data == b"picture"
    for expected in (
        "# Title\n",
        '??? note "Code"\n\n    ```python\n    draw()\n    ```\n',
        "\n```text\n1 ms\n```\n",
        f"![Figure: Title]({picture})",
        "<table ></table>",
        '<script src="../javascripts/plotly.min.js"></script>',
        '"\\u003c/p\\u003e"',  # cannot end the script early
        "\n```python\nprint()\n```\n",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("docs/explorer.md", "explorer/page.py", "../explorer.html"),
        ("README.md", "docs/explorer/page.py", "explorer.html"),
    ],
)
def test_a_link_to_the_explorers_source_leads_to_the_explorer(page: str, link: str, expected: str) -> None:
    assert shown(f"[e]({link})", page)[0] == f"[e]({expected})"
