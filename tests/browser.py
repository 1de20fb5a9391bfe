"""A headless Chromium of the system, and pages in it that may not complain or ask the network for anything.

What a page comes to show is waited for with Playwright's `expect`, never with `wait_for_function`: that evaluates a
string, which a page's security policy refuses whenever the first look did not find it yet.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; the test is skipped where there is none, unless DWDP_REQUIRE_CHROMIUM=1."""
    path = shutil.which("chromium")
    if path is None:
        assert os.environ.get("DWDP_REQUIRE_CHROMIUM") != "1", "chromium is wanted and not installed"
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, file: Path, width: int = 1280, scheme: Literal["light", "dark"] = "light", address: str = ""
) -> Iterator[Page]:
    """The page, drawn; afterwards nothing may have been written to the console, asked of the network or alerted."""
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(10_000)
    expect.set_options(timeout=10_000)
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    url = file.as_uri()
    page.on("request", lambda request: None if request.url.startswith(url) else complaints.append(request.url))
    page.goto(f"{url}{address}", timeout=60_000)  # a busy machine
    page.wait_for_selector("svg.marks")
    yield page
    page.close()
    assert complaints == []
