"""The page in a browser: it draws, filters, sorts and opens, by mouse and by keyboard, and stays quiet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from dwdp_sim.sweep.page.page import write_page
from tests.browser import chromium, opened
from tests.dwdp_sim.sweep.page.sweeps import LAYER, STEPS, write_many, write_sweep
from tests.dwdp_sim.sweep.page.test_measured_rows import row

SLICES = ("512KiB", "2MiB", "8MiB")
EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight jobs and a failure: one whole pull and three slice sizes, queued and as issued; one of them measured."""
    lines: list[tuple[str, ...]] = []
    for mode in ("queued", "as_issued"):
        common = (*LAYER, f"issue_mode={mode}")
        lines.append((*common, "strategy=default", f"model.name='{EVIL}'"))
        lines += [(*common, "strategy=batched", f"strategy.slice_bytes={size}") for size in SLICES]
    sweep = write_sweep(tmp_path_factory.mktemp("layers"), [*lines, (*LAYER, "dwdp.dwdp_size=3")])
    (sweep / "validation.json").write_text(json.dumps({"rows": [row(), row(rank=1)], "cluster": "h200_x2"}))
    return write_page(sweep, sweep / "report.html", measured=[sweep / "validation.json"])


def body_rows(page: Page) -> list[list[str]]:
    cells: list[list[str]] = page.evaluate(
        "[...document.querySelectorAll('#table tbody tr:not(.detail)')].map(r => [...r.cells].map(c => c.textContent))"
    )
    return cells


def colours_in(page: Page, place: str) -> int:
    """Different colours in a picture."""
    count: int = page.evaluate(
        """place => {
            const canvas = document.querySelector(`${place} canvas`);
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return new Set(new Uint32Array(pixels.buffer)).size;
        }""",
        place,
    )
    return count


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_is_drawn_and_nothing_overflows(
    scheme: Literal["light", "dark"], width: int, layers: Path, browser: Browser
) -> None:
    with opened(browser, layers, width, scheme) as page:
        for place in ("#explorer", "#parts", "#measured"):
            page.wait_for_selector(f"{place} canvas")
            assert colours_in(page, place) > 10
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]


def test_a_filter_leaves_the_jobs_that_have_its_values_and_survives_a_reload(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        assert page.text_content("#shown") == "8 of 8 jobs shown"
        page.get_by_label("512 KiB").check()
        page.get_by_label("8 MiB").check()
        assert page.text_content("#shown") == "4 of 8 jobs shown"
        page.get_by_label("as_issued").check()
        assert page.text_content("#shown") == "2 of 8 jobs shown"
        assert {cells[3] for cells in body_rows(page)} == {"512 KiB", "8 MiB"}
        # the values not ticked say how many jobs they would add: one of 2 MiB as issued
        assert page.locator("label", has_text="2 MiB").filter(has_not_text="512").first.inner_text().split()[-1] == "1"
        page.reload()
        page.wait_for_selector("canvas")
        assert page.text_content("#shown") == "2 of 8 jobs shown"
        assert page.get_by_label("as_issued").is_checked()
        page.get_by_role("button", name="Show all jobs").click()
        assert page.text_content("#shown") == "8 of 8 jobs shown"
        page.get_by_label("command line contains").fill("SLICE_BYTES=2mib")
        assert page.text_content("#shown") == "2 of 8 jobs shown"
        page.get_by_label("command line contains").fill("nothing like it")
        assert page.text_content("#shown") == "0 of 8 jobs shown"
        assert "No job passes the filters" in (page.text_content("#explorer") or "")


def test_a_heading_sorts_and_sorts_back(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        heading = page.locator("#table th", has_text="slowest rank (µs)")
        place = heading.evaluate("cell => cell.cellIndex")
        for state in ("ascending", "descending"):
            heading.locator("button").click()
            assert heading.get_attribute("aria-sort") == state
            times = [float(cells[place].replace(",", "")) for cells in body_rows(page)]
            assert times == sorted(times, reverse=state == "descending")
            assert times[0] != times[-1]


def test_everything_is_reached_and_used_by_keyboard_alone(layers: Path, browser: Browser) -> None:
    focused = (
        "(document.activeElement.closest('label')?.textContent || document.activeElement.textContent || '').trim()"
    )
    with opened(browser, layers) as page:
        seen: list[str] = []
        while len(seen) < 120:
            page.keyboard.press("Tab")
            name = page.evaluate(focused)
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", name
            if name.startswith("as_issued"):
                page.keyboard.press("Space")
                assert page.text_content("#shown") == "4 of 8 jobs shown"
            if name.startswith("slice size"):
                page.keyboard.press("Enter")
                assert page.evaluate(focused).startswith("slice size")  # drawn anew, and still there
                assert page.locator("th[aria-sort]").text_content() == "slice size"
            seen.append(name)
            if name == "open":
                page.keyboard.press("Enter")
                break
        for wanted in ("Theme", "as_issued", "show", "against", "split", "Columns", "slice size"):
            assert any(name.startswith(wanted) for name in seen), wanted
        assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
        detail = page.text_content("tr.detail") or ""
        assert "dwdp-sim model=deepseek_v3_lite_nvfp4 cluster=h200_x2 dwdp.dwdp_size=2 issue_mode=as_issued" in detail
        assert page.locator("tr.detail table tbody tr").count() == 2  # ranks
        nameless = """[...document.querySelectorAll("button, select, input, a, summary")].filter(
            one => !(one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim())).length"""
        assert page.evaluate(nameless) == 0


def test_measured_and_predicted_stand_on_the_same_axes(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        assert "are measured" in (page.text_content("#explorer-note") or "")
        page.select_option("#choose-y", "over_bound")
        page.wait_for_function("!document.getElementById('explorer-note').textContent.includes('measured')")
        page.get_by_label("as_issued").check()  # the measured row is queued
        page.wait_for_selector("#measured p")
        assert page.text_content("#measured") == "No job shown has a measured row."


def test_the_theme_can_be_chosen(layers: Path, browser: Browser) -> None:
    with opened(browser, layers, scheme="light") as page:
        page.select_option("#theme", "dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
        page.select_option("#theme", "")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_forward_steps_are_shown_by_what_a_step_takes(browser: Browser, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [(*STEPS, f"strategy={name}") for name in ("default", "batched")])
    with opened(browser, write_page(sweep, sweep / "report.html")) as page:
        assert page.evaluate("document.getElementById('choose-y').value") == "step_iteration_s"
        assert "forward step" in (page.text_content("#table thead") or "")
        splits = page.locator("#parts-of option").all_text_contents()
        assert splits == ["where a forward step goes", "where a layer's prefetch latency goes, in a step"]
        page.get_by_role("button", name="open").first.click()
        assert page.locator("tr.detail table").count() == 0  # no ranks


def test_ten_thousand_rows_stay_usable_and_say_what_is_not_drawn(browser: Browser, tmp_path: Path) -> None:
    sweep = write_many(tmp_path, jobs=2_500)
    page_file = write_page(sweep, sweep / "report.html")
    with opened(browser, page_file) as page:
        assert page.text_content("#shown") == "2,500 of 2,500 jobs shown"
        assert "10,000 rows" in (page.text_content("main") or "")
        assert len(body_rows(page)) == 50
        assert "Ranges are drawn for up to 600 jobs" in (page.text_content("#explorer-note") or "")
        page.get_by_label("waves").check()
        assert page.text_content("#shown") == "1,250 of 2,500 jobs shown"
        page.get_by_role("button", name="next").click()
        assert page.text_content("#page") == "51 – 100 of 1,250"
        # 1,250 seeds are chosen by their ends, not by a box each
        page.get_by_label("seed to").select_option(label="9")
        assert page.text_content("#shown") == "10 of 2,500 jobs shown"
