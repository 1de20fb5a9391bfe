"""A model, a cluster and a strategy from outside the repository, by the recipe of CONTRIBUTING.md as it stands."""

from __future__ import annotations

from tests.test_docs import ROOT


def section() -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text[text.index("## A model, a cluster or a strategy of your own") :].split("\n## ")[0]
