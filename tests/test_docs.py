"""Every example of the README and the documentation is run, or says what it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]*) -->\n)?```bash\n(?P<body>.*?)```", re.DOTALL)

LONG = ("checking", "gallery", "reading", "tutorial")
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md"))
# A comment above an example says what it needs that is not at hand, which file it is for those below it, or that it is
# what the command above it prints, where a line of "…" stands for any others.
FENCE = re.compile(r"^(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```", re.DOTALL | re.M)


def examples(page: Path) -> list[dict[str, Any]]:
    return [block.groupdict() for block in FENCE.finditer(page.read_text(encoding="utf-8"))]


def readme_blocks() -> list[str]:
    """The README's blocks of commands that do not say that they need something."""
    blocks = BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8"))
    return [block["body"] for block in blocks if not block["note"]]


@pytest.mark.long
@pytest.mark.parametrize("block", [block for block in readme_blocks() if not block.startswith("make ")])
def test_commands_of_the_readme_run_as_written(block: str, tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for folder in ("measurements", "notebooks"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    shell = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "lower bound" in done.stdout or "passed" in done.stdout or "report.html" in done.stdout


@pytest.mark.long
def test_the_readme_s_python_runs_in_at_most_six_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = [block["body"] for block in examples(ROOT / "README.md") if block["language"] == "python"]
    assert len(block.splitlines()) <= 6
    exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "prefetch.png").stat().st_size > 10_000


def test_the_readme_s_make_targets_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    targets = [line.split()[1] for block in readme_blocks() for line in block.splitlines() if line.startswith("make ")]
    assert targets == ["predict", "test"]
    for target in targets:
        assert re.search(rf"^make .*\b{target}\b", ci, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_an_example_says_its_language_and_why_it_is_not_run(page: Path) -> None:
    for block in examples(page):
        assert block["language"] in ("bash", "python", "json", "yaml", "math", "text"), block["body"]
        assert re.match(r"needs |file [\w.]+$|output$|$", block["note"] or ""), block["note"]


def run_pages() -> list[Any]:
    """Pages with examples that are run; those that take long are for the long tests."""
    found = [
        page for page in PAGES if any(b["language"] in ("bash", "python") and not b["note"] for b in examples(page))
    ]
    return [pytest.param(page, id=page.stem, marks=[pytest.mark.long] * (page.stem in LONG)) for page in found]


def not_printed(shown: str, printed: str) -> list[str]:
    """Lines that a page shows as printed and that do not come in this order; "…" stands for any lines."""
    rest, missing = iter([line.rstrip() for line in printed.splitlines()]), []
    for line in (line.rstrip() for line in shown.splitlines()):
        if line != "…" and line not in rest:
            missing.append(line)
    return missing


def test_lines_that_are_not_printed_are_found() -> None:
    printed = "a \nb\nc\n"
    assert not_printed("a\n…\nc\n", printed) == []
    assert not_printed("a\nd\n", printed) == ["d"]
    assert not_printed("c\na\n", printed) == ["a"]


@pytest.mark.parametrize("page", run_pages())
def test_the_examples_of_a_page_run_one_after_another(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "measurements").symlink_to(ROOT / "measurements")
    names: dict[str, Any] = {}
    printed = ""
    for block in examples(page):
        note = (block["note"] or "").split()
        if note[:1] == ["file"]:
            Path(note[1]).write_text(block["body"], encoding="utf-8")
        elif block["language"] == "python" and not note:
            exec(compile(block["body"], str(page), "exec"), names)
        elif block["language"] == "bash" and not note:
            shell = ["bash", "-euo", "pipefail", "-c", block["body"]]
            done = subprocess.run(shell, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, f"{block['body']}{done.stderr}"
            printed = done.stdout
        elif note == ["output"]:
            assert not_printed(block["body"], printed) == [], printed


def test_links_in_the_documentation_lead_somewhere() -> None:
    pages = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "notebooks/README.md")), *PAGES]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
