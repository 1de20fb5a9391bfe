"""Every page that a command writes can be read and used by everybody, on a desk and on a phone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from dwdp_hw.node.examine import examine
from dwdp_hw.node.parts import NAMES
from dwdp_sim.base.terminal import TextConsole
from dwdp_sim.sweep.page.page import write_page
from tests.axe import grave_findings, overflow
from tests.browser import chromium
from tests.dwdp_hw.node.test_examine import recorded_parts
from tests.dwdp_sim.sweep.page.sweeps import LAYER, STEPS, write_sweep

PAGES = ("layers", "steps", "node", "validate", "check", "pooled")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of every kind, from short sweeps and from recorded rows of two H200s."""
    folder = tmp_path_factory.mktemp("node")
    examine(recorded_parts(folder), NAMES, folder, "2 × H200", TextConsole(width=120))
    for words in (
        ("check", "--no-refit", "bundle.zip", "--report", "check.html"),
        ("pool", "bundle.zip", "--cluster", "h200_x2", "--out", "pooled.yaml"),
    ):
        command = [sys.executable, "-c", "from dwdp_hw.app import main; main()", *words]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    sweeps = {
        "layers": [(*LAYER, f"strategy={name}") for name in ("default", "batched")] + [(*LAYER, "dwdp.dwdp_size=3")],
        "steps": [(*STEPS, f"strategy={name}") for name in ("default", "batched")],
    }
    found = {
        "node": folder / "node.html",
        "validate": folder / "validate/report.html",
        "check": folder / "check.html",
        "pooled": folder / "pooled.html",
    }
    for name, lines in sweeps.items():
        sweep = write_sweep(tmp_path_factory.mktemp(name), lines)
        found[name] = write_page(sweep, sweep / "report.html")
    return found


@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_report_has_no_grave_finding_and_fits_its_window(
    name: str, width: int, scheme: Literal["light", "dark"], reports: dict[str, Path], browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(reports[name].as_uri())
    if name in ("layers", "steps"):
        page.wait_for_selector("#bars svg")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert grave_findings(page) == []
    assert overflow(page) <= 0
    page.close()
