"""Every command that the README shows is run, or is marked as needing a GPU."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]*) -->\n)?```bash\n(?P<body>.*?)```", re.DOTALL)


def commands() -> list[str]:
    """Commands of the README's blocks that do not say that they need a GPU."""
    blocks = BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8"))
    return [
        line for block in blocks if "GPU" not in (block["note"] or "") for line in block["body"].splitlines() if line
    ]


@pytest.mark.parametrize("command", [line for line in commands() if not line.startswith("make ")])
def test_a_readme_command_runs_as_written(command: str, tmp_path: Path) -> None:
    arguments = shlex.split(command)
    arguments[0] = str(Path(sys.executable).parent / Path(arguments[0]).name)
    (tmp_path / "measurements").symlink_to(ROOT / "measurements")
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "lower bound" in done.stdout or "passed" in done.stdout


def test_the_readme_s_make_targets_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    targets = [line.split()[1] for line in commands() if line.startswith("make ")]
    assert targets == ["predict", "test"]
    for target in targets:
        assert re.search(rf"^make .*\b{target}\b", ci, re.MULTILINE), target


def test_links_in_the_documentation_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
