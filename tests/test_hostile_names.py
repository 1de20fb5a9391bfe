"""Names that somebody wrote into files run nothing in a browser and break no page: they are shown as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Page

from dwdp_hw.validation.figures import gain_figure
from dwdp_hw.validation.ranking import Ranking
from dwdp_sim.job.build import build_run
from dwdp_sim.results.html import Section, verdict_markdown, verdict_page
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.page.page import write_page
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import Run, failure_rows, result_rows, write_rows
from tests.browser import chromium, opened
from tests.dwdp_sim.composing import config_object
from tests.dwdp_sim.sweep.page.sweeps import BEGAN, LAYER

HOSTILE = "</script><img src=x onerror=alert(1)>\"'><svg onload=alert(2)>&lt;{{7*7}}${alert(3)}$\u2028\u2029]]><!--\\"
COLUMNS = (
    "model", "cluster", "strategy", "implementation", "host", "code_version", "overrides", "assumed_constants", "sweep",
    "refill", "compute",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def _hostile(rows: pa.Table, number: int) -> pa.Table:
    """The rows with hostile text in every column of text, and a hostile key in the configuration."""
    config = json.loads(rows.column("config_json")[0].as_py())
    constants = config["cluster"]["constants"]
    constants[HOSTILE] = {**next(iter(constants.values())), "value": number, "source": HOSTILE, "unit": HOSTILE}
    first = [json.dumps(config), *[None] * (rows.num_rows - 1)]
    for name in ("config_json", *COLUMNS):
        values = (
            first if name == "config_json" else [f"{HOSTILE}{number if name == 'strategy' else ''}"] * rows.num_rows
        )
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.string()))
    return rows


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Folder(tmp_path_factory.mktemp("<b>&'\""))
    for number in range(3):
        overrides = (*LAYER, "strategy=batched", f"seed={number}")
        asked = Asked(f"{number:032x}", f"{number:032x}", overrides, config_object(*overrides))
        built = build_run(config_object(*overrides), overrides)
        rows = result_rows(asked, built, summarize_run(built), Run("sweep", BEGAN, 0.25))
        write_rows(folder.rows(asked.job), _hostile(rows, number))
    write_rows(
        folder.failure("f" * 32),
        failure_rows(Asked("f" * 32, "f", (HOSTILE,), asked.config), HOSTILE, Run("sweep", BEGAN, 0.25)),
    )
    return write_page(folder.path, folder.path / "report.html")


def _elements(page: Page) -> int:
    count: int = page.evaluate("document.querySelectorAll('img, svg[onload], [onerror]').length")
    return count


def test_a_page_on_a_hostile_sweep_shows_its_names_and_runs_none(sweep_page: Path, browser: Browser) -> None:
    with opened(browser, sweep_page) as page:
        assert _elements(page) == 0
        assert HOSTILE in (page.text_content("#jobs") or "")
        for place in ("#picture", "#bars"):
            page.wait_for_selector(f"{place} svg")
        page.select_option("select[name=colour]", index=1)
        page.hover("#picture svg .mark-symbol path")
        page.wait_for_timeout(300)
        assert _elements(page) == 0
    text = sweep_page.read_text(encoding="utf-8")
    assert text.count("</script") == 3
    assert "\u2028" not in text[text.index('id="data"') : text.index("</script")]


def test_a_report_of_hostile_rows_shows_their_names_and_runs_none(tmp_path: Path, browser: Browser) -> None:
    figure = gain_figure([Ranking(HOSTILE, "b", 0.1, 0.01, 0.1)])
    sections = [Section(HOSTILE, HOSTILE, [HOSTILE, HOSTILE], [[HOSTILE, HOSTILE]], figure)]
    path = tmp_path / "report.html"
    path.write_text(verdict_page(HOSTILE, [HOSTILE, HOSTILE], sections, state="disagrees"), encoding="utf-8")
    complaints: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(path.as_uri())
    assert page.title().startswith(HOSTILE[:30])
    assert _elements(page) == 0
    assert HOSTILE[:60] in (page.text_content("figure") or "")
    page.close()
    assert complaints == []
    markdown = verdict_markdown(HOSTILE, [HOSTILE, HOSTILE], sections)
    assert "<" not in markdown
    assert markdown.count("\n| ") == 3, "a header, a rule and a row"
