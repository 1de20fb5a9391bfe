"""The page in a browser: it draws, filters, picks, sorts and opens, by mouse and by keyboard, and stays quiet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

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
    """Texts of the table's rows that are shown; of the job only its name."""
    cells: list[list[str]] = page.evaluate(
        """[...document.querySelectorAll("#jobs tbody tr:not([hidden])")].map(
            row => [...row.cells].map(cell => (cell.querySelector("summary") ?? cell).textContent))"""
    )
    return cells


def colours_in(page: Page, place: str) -> set[str]:
    """Colours of a picture's marks, as the page's style resolves them."""
    found: list[str] = page.evaluate(
        """place => [...document.querySelectorAll(`${place} svg .role-mark path`)].map(
            mark => [getComputedStyle(mark).fill, getComputedStyle(mark).stroke]).flat()""",
        place,
    )
    return set(found) - {"none"}


def drag_over(page: Page, picture: str, top: float) -> None:
    """Draw a brush over the left panel, from `top` of its height down to the axis."""
    panel = page.locator(f"{picture} svg .background").first
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + top * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20, steps=3)
    page.mouse.up()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_is_drawn_in_the_pages_colours_and_nothing_overflows(
    scheme: Literal["light", "dark"], width: int, layers: Path, browser: Browser
) -> None:
    blue = {"light": "rgb(0, 114, 178)", "dark": "rgb(86, 180, 233)"}[scheme]
    with opened(browser, layers, width, scheme) as page:
        for place in ("#picture", "#bars", "#comparison"):
            page.wait_for_selector(f"{place} svg")
            assert blue in colours_in(page, place)
            shown = page.locator(f"{place} svg").bounding_box()
            assert shown
            assert 0.75 * (width - 50 if place != "#comparison" else 300) < shown["width"] < width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]


def test_a_filter_leaves_the_jobs_that_have_its_values(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        assert page.text_content("#shown") == "8 of 8 jobs shown"
        page.get_by_label("512 KiB").check()
        page.get_by_label("8 MiB").check()
        assert page.text_content("#shown") == "4 of 8 jobs shown"
        page.get_by_label("as_issued").check()
        assert page.text_content("#shown") == "2 of 8 jobs shown"
        assert {cells[3] for cells in body_rows(page)} == {"512 KiB", "8 MiB"}
        page.get_by_label("default").check()
        assert page.text_content("#shown") == "0 of 8 jobs shown"
        page.wait_for_selector("#picture:has-text('No job passes the filters')")
        page.get_by_role("button", name="reset").click()
        page.wait_for_selector("#picture svg")
        assert page.text_content("#shown") == "8 of 8 jobs shown"


def test_a_brush_and_the_legend_pick_the_jobs_of_the_table(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        page.select_option("[name=panels]", "")
        page.select_option("[name=scale]", "close")
        expect(page.locator("#picture svg")).not_to_contain_text("deepseek")
        drag_over(page, "#picture", top=0.5)
        picked = [float(cells[5]) for cells in body_rows(page)]
        page.locator("#picture svg .background").first.dblclick(force=True)
        times = [float(cells[5]) for cells in body_rows(page)]
        assert len(times) == 8
        assert picked == [time for time in times if time < 750]  # the axis goes from 500 to 1,000
        page.locator("#picture svg .role-legend-symbol").nth(1).click()
        assert {cells[2] for cells in body_rows(page)} == {"batched"}
        page.locator("#picture svg .role-legend-symbol").nth(1).click()
        assert page.text_content("#shown") == "8 of 8 jobs shown"


def test_a_point_opens_its_job_in_the_table(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        page.locator('#picture svg [class*="jobs_marks"] path').first.click(force=True)
        assert page.locator("td.job details[open]").count() == 1
        assert page.locator("td.job details[open]").bounding_box()


def test_what_is_chosen_is_what_the_picture_shows(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        title = page.locator("#picture svg")
        assert "slice size" in (title.text_content() or "")
        page.select_option("[name=x]", label="mean prefetch latency ÷ lower bound")
        page.select_option("[name=y]", label="lower bound")
        expect(page.locator("#picture svg")).to_contain_text("lower bound (µs)")
        assert "mean prefetch latency ÷ lower bound" in (title.text_content() or "")
        described = page.get_attribute("#picture", "aria-label") or ""  # what those hear who do not see it
        assert described.startswith("lower bound (µs) against mean prefetch latency ÷ lower bound, 8 jobs")
        for colour in ("issue_mode", ""):
            page.select_option("[name=colour]", label="nothing" if not colour else "issue mode")
            expect(page.locator("#picture svg .role-legend")).to_have_count(1 if colour else 0)


def test_a_heading_sorts_and_sorts_back(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        heading = page.locator("#jobs th", has_text="slowest rank (µs)")
        place = heading.evaluate("cell => cell.cellIndex")
        for state in ("ascending", "descending"):
            heading.locator("button").click()
            assert heading.get_attribute("aria-sort") == state
            assert page.locator("th[aria-sort]").count() == 1
            times = [float(cells[place].replace(",", "")) for cells in body_rows(page)]
            assert times == sorted(times, reverse=state == "descending")
            assert times[0] != times[-1]
        page.locator("#jobs th button", has_text="slice size").click()  # by size, not by text
        sizes = [cells[3] for cells in body_rows(page)]
        assert sizes == [
            *(size for name in ("512 KiB", "2 MiB", "8 MiB") for size in (name, name)),
            *["whole pulls"] * 2,
        ]


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
            if name == "slice size":
                page.keyboard.press("Enter")
                assert page.evaluate(focused) == "slice size"
                assert page.locator("th[aria-sort]").text_content() == "slice size"
            seen.append(name)
            if page.evaluate("document.activeElement.matches('td.job summary')"):
                page.keyboard.press("Enter")
                break
        for wanted in ("Theme", "as_issued", "show", "against", "split", "slice size"):
            assert any(name.startswith(wanted) for name in seen), wanted
        detail = page.text_content("td.job details[open]") or ""
        assert "dwdp-sim model=deepseek_v3_lite_nvfp4 cluster=h200_x2 dwdp.dwdp_size=2 issue_mode=as_issued" in detail
        nameless = """[...document.querySelectorAll("button, select, input, a, summary")].filter(
            one => !(one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim())).length"""
        assert page.evaluate(nameless) == 0


def test_measured_and_predicted_stand_on_the_same_axes(layers: Path, browser: Browser) -> None:
    with opened(browser, layers) as page:
        assert "are measured" in (page.text_content("#picture-note") or "")
        page.select_option("[name=y]", label="mean prefetch latency ÷ lower bound")
        expect(page.locator("#picture-note")).not_to_contain_text("measured")
        page.get_by_label("as_issued").check()  # the measured row is queued
        page.wait_for_selector("#comparison:has-text('No job shown has a measured row.')")


def test_the_theme_can_be_chosen_and_paper_is_white(layers: Path, browser: Browser) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, layers, scheme="light") as page:
        page.select_option("#theme", "dark")
        assert page.evaluate(ground) == "rgb(20, 23, 27)"
        assert "rgb(86, 180, 233)" in colours_in(page, "#picture")  # not drawn anew
        page.emulate_media(media="print")
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
        page.emulate_media(media="screen")
        page.select_option("#theme", "")
        assert page.evaluate(ground) == "rgb(255, 255, 255)"


def test_forward_steps_are_shown_by_what_a_step_takes(browser: Browser, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [(*STEPS, f"strategy={name}") for name in ("default", "batched")])
    with opened(browser, write_page(sweep, sweep / "report.html")) as page:
        assert page.locator("[name=y] option:checked").text_content() == "forward step"
        assert "forward step" in (page.text_content("#jobs thead") or "")
        splits = page.locator("[name=split] option").all_text_contents()
        assert splits == ["where a forward step goes", "where a layer's prefetch latency goes, in a step"]
        page.select_option("[name=split]", "1")
        expect(page.locator("#bars svg")).to_contain_text("contention")


def test_a_single_job_has_a_page(browser: Browser, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [LAYER])
    with opened(browser, write_page(sweep, sweep / "report.html")) as page:
        assert page.text_content("#shown") == "1 of 1 jobs shown"
        assert page.locator('#picture svg [class*="jobs_marks"] path').count() == 1


def test_ten_thousand_rows_stay_usable_and_say_what_is_not_drawn(browser: Browser, tmp_path: Path) -> None:
    sweep = write_many(tmp_path, jobs=2_500)
    page_file = write_page(sweep, sweep / "report.html")
    with opened(browser, page_file) as page:
        assert page.text_content("#shown") == "2,500 of 2,500 jobs shown"
        assert "10,000 rows" in (page.text_content("main") or "")
        assert len(body_rows(page)) == 1_000
        assert "The first 1,000 of 2,500 jobs." in (page.text_content("main") or "")
        assert "Ranges are drawn for up to 600 jobs" in (page.text_content("#picture-note") or "")
        assert page.locator("fieldset").count() == 1  # 1,250 seeds are not ticked one by one
        page.get_by_label("waves").check()
        assert page.text_content("#shown") == "1,250 of 2,500 jobs shown"
