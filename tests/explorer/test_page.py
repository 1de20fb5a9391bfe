"""The explorer in a browser: every control changes the views, the address restores them, and keys are enough."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from docs.explorer.page import document
from tests.browser import chromium, opened

WIDTHS = (1280, 390)
START = "#model=gpt_oss_120b_mxfp4&machine=hgx_h200&gpus=4&tokens=4096&slice=2MiB&hypothesis=as-configured"
# Held in a variable instead, for what a browser lets a page copy depends on how it was started.
SLOW_CLIPBOARD = """navigator.clipboard.writeText = (words) => {
    globalThis.copiedWords = words;
    return new Promise((done) => setTimeout(done, 300));
}"""
PICTURES = ("#gains svg", "#split svg", "#timeline svg")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    path.write_text(document(), encoding="utf-8")
    assert path.stat().st_size < 3e6
    return path


def shown(page: Page) -> dict[str, str]:
    """What the page says and draws."""
    words = {name: page.inner_text(f"#{name}") for name in ("answer", "grounds", "command", "parts")}
    return words | {name: page.inner_html(name) for name in PICTURES}


@pytest.mark.parametrize("width", WIDTHS)
def test_every_control_changes_the_answer_the_pictures_and_the_command(
    browser: Browser, file: Path, width: int
) -> None:
    with opened(browser, file, width, address=START) as page:
        for name, value in (
            ("hypothesis", "1-source-fair"),
            ("slice", "32MiB"),
            ("tokens", "2048"),
            ("gpus", "8"),
            ("machine", "dgx_b200"),
            ("model", "deepseek_r1_nvfp4"),
        ):
            before = shown(page)
            page.check(f"[name={name}][value='{value}']")
            after = shown(page)
            for part in ("answer", "command", "parts", *PICTURES):
                assert after[part] != before[part], (name, part)
            assert f"{name}={value}" in page.url


@pytest.mark.parametrize("width", WIDTHS)
def test_the_address_restores_the_view_and_nothing_is_wider_than_the_screen(
    browser: Browser, file: Path, width: int
) -> None:
    with opened(browser, file, width, address=START) as page:
        page.check("[name=hypothesis][value='all-sources-fair']")
        page.check("[name=tokens][value='16384']")
        expected, address = shown(page), page.url.partition("#")[2]
        assert page.evaluate("document.documentElement.scrollWidth") == width
    with opened(browser, file, width, address=f"#{address}") as page:
        assert shown(page) == expected
        page.evaluate(f"location.hash = {json.dumps(START)}")
        expect(page.locator("#command")).to_contain_text("max_num_tokens=4096")
    with opened(browser, file, width, address="#model=none&tokens=7&gpus=4") as page:
        assert "max_num_tokens=8192" in page.inner_text("#command")


def test_what_cannot_be_chosen_is_disabled_and_says_why(browser: Browser, file: Path) -> None:
    with opened(browser, file, address=START) as page:
        page.check("[name=model][value=deepseek_r1_nvfp4]")
        assert page.is_disabled("[name=machine][value=hgx_h200]")
        assert "HGX H200: no measured gemm of nvfp4" in page.inner_text("#why-machine")
        assert page.is_checked("[name=machine][value=gb200_nvl72]")
        page.check("[name=slice][value='1MiB']")
        page.check("[name=gpus][value='8']")
        assert page.is_disabled("[name=slice][value='1MiB']")
        assert "1 MiB: " in page.inner_text("#why-slice")
        assert "strategy.slice_bytes=2MiB" in page.inner_text("#command")


def test_keys_are_enough(browser: Browser, file: Path) -> None:
    with opened(browser, file, address=START) as page:
        page.focus("[name=tokens]:checked")
        page.keyboard.press("ArrowRight")
        assert "max_num_tokens=8192" in page.inner_text("#command")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "slice"
        page.keyboard.press("ArrowDown")
        assert "strategy.slice_bytes=8MiB" in page.inner_text("#command")
        page.evaluate(SLOW_CLIPBOARD)
        page.focus("#copy-command")
        page.keyboard.press("Enter")
        expect(page.locator("#copied")).to_have_text("Copied.")
        assert page.evaluate("copiedWords") == page.inner_text("#command")


def test_a_click_into_the_gains_chooses_their_load(browser: Browser, file: Path) -> None:
    with opened(browser, file, address=START) as page:
        page.locator("#gains svg rect[cursor=pointer]").nth(4).click()
        assert page.is_checked("[name=tokens][value='32768']")


def test_the_command_gives_the_figures_of_the_view(browser: Browser, file: Path, tmp_path: Path) -> None:
    with opened(browser, file, address=START) as page:
        page.check("[name=hypothesis][value='1-mib-ahead-fair']")
        command = page.inner_text("#command")
        shown_ms = page.locator("#parts tr.sum td").all_inner_texts()
    program, *given = shlex.split(command)
    assert program == "dwdp-sim"
    started = [sys.executable, "-c", "from dwdp_sim.app import main; main()"]
    subprocess.run([*started, *given, f"hydra.sweep.dir={tmp_path}"], check=True, capture_output=True)
    for place, expected in enumerate(shown_ms):
        summary = json.loads((tmp_path / str(place) / "summary.json").read_text())
        found_ms = summary["figures"]["iteration_s"]["mean"] * 1e3
        assert float(expected) == round(found_ms, len(expected.partition(".")[2]))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_keeps_people_from_using_it(browser: Browser, file: Path, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with opened(browser, file, width, "dark" if scheme == "dark" else "light", START) as page:
        found = axe.Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
