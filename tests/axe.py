"""What axe-core, the usual checker of accessibility, has against a page that a browser has drawn."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")
"""Impacts, in axe's words, that no page may have: somebody cannot read or use a part of it."""

# Rules above the level AA are not asked for, so that a finding is always something to mend.
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def grave_findings(page: Page, within: str | None = None) -> list[str]:
    """One line a finding: the rule, and the elements that break it, five at most.

    Args:
        page: Drawn.
        within: CSS selector of the part that is looked at; None: all of it.
    """
    found = Axe().run(page, within, options={"resultTypes": ["violations"], **_RULES}).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: " + "; ".join(node["html"][:160] for node in one["nodes"][:5])
        for one in found
        if one["impact"] in GRAVE
    ]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window; what is wide must scroll in a box of its own."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider
