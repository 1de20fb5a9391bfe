"""The built site in a browser: everybody can read it on a desk and on a phone, and its search finds things.

`make docs` builds it; without it these tests are skipped. `make site-test` does both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

import dwdp_hw
import dwdp_sim
from tests.axe import grave_findings, overflow
from tests.browser import chromium

SITE = Path(__file__).resolve().parents[1] / "build/site"
# The page for addresses that do not exist needs a server.
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if path.name != "404.html")
API = [name for name in PAGES if name.startswith(("dwdp_sim/", "dwdp_hw/"))]
# Pages of the API are made alike: a tenth of them is looked at, in the light scheme, and only at what is their own.
GUIDE = [name for name in PAGES if name not in API]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not PAGES:
        assert os.environ.get("DWDP_REQUIRE_SITE") != "1", "the site is wanted and not built"
        pytest.skip("make docs has not built the site")
    with chromium() as found:
        yield found


def complaints(page: Page, names: list[str], own: str | None = None) -> list[str]:
    """What is wrong with these pages, one after another in the same window."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    for name in names:
        page.goto((SITE / name).as_uri())
        found = grave_findings(page, own)
        wrong += [f"{name}: {finding}" for finding in found]
        if overflow(page) > 0:
            wrong.append(f"{name}: {overflow(page)} pixels wider than its window")
    return wrong


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (390, "dark")])
def test_no_page_of_the_guide_has_a_grave_finding_or_is_wider_than_its_window(
    browser: Browser, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert complaints(page, GUIDE) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_of_the_api_has_a_grave_finding_or_is_wider_than_its_window(browser: Browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    assert complaints(page, API[::10], ".md-content") == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_search_finds_a_page_by_a_word_of_it_and_leads_there(browser: Browser, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((SITE / "index.html").as_uri())
    if width < 1000:
        page.click("label.md-header__button[for=__search]")
    page.click("input.md-search__input")
    page.keyboard.type("bubble")
    first = page.locator(".md-search-result__link").first
    first.wait_for()
    assert page.locator(".md-search-result__link", has_text="Forward steps").count() >= 1
    first.click()
    page.wait_for_url("**/*.html*")
    assert "bubble" in (page.text_content("article") or "").lower()


def test_the_keyboard_reaches_the_search_the_theme_and_the_text(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((SITE / "index.html").as_uri())
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.className"))
        if page.evaluate("!!document.activeElement.closest('article')"):
            break
    assert page.evaluate("!!document.activeElement.closest('article')")
    assert {"Search", "Dark"} <= seen


@pytest.mark.parametrize("package", [dwdp_sim, dwdp_hw], ids=lambda package: package.__name__)
def test_every_public_name_has_an_entry_on_the_page_of_its_package(browser: Browser, package: ModuleType) -> None:
    page = browser.new_page()
    page.goto((SITE / package.__name__ / "index.html").as_uri())
    headings = page.evaluate("[...document.querySelectorAll('article .doc-heading')].map(one => one.id)")
    described = set(package.__all__) - {"__version__"}  # a string, which has no docstring
    assert {f"{package.__name__}.{name}" for name in described} <= set(headings)


def test_every_picture_says_what_it_shows(browser: Browser) -> None:
    page = browser.new_page()
    nameless = []
    for name in GUIDE:
        page.goto((SITE / name).as_uri())
        alts = page.evaluate("[...document.querySelectorAll('article img')].map(image => image.alt)")
        nameless += [f"{name}: {alt!r}" for alt in alts if len(alt) < 10]
    assert nameless == []
