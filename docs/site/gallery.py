"""Make the pictures of docs/gallery.md by the commands that stand below them there. Run: make pictures."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from screenshots import write_small

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/gallery.md"
# A picture of the gallery, and below it the command that makes it and says in which folder.
_ENTRY = re.compile(
    r"!\[[^\]]+\]\(images/(?P<image>gallery_\w+\.png)\)\n\n```bash\n(?P<command>[^`]*hydra\.run\.dir=(?P<folder>\w+)[^`]*)```"
)
_PICTURES = ("timeline.png", "steps.png")  # of a layer and of forward steps


def entries() -> list[tuple[str, str, str]]:
    """Image, command and folder of every picture that a command of the page makes."""
    found = _ENTRY.finditer(PAGE.read_text(encoding="utf-8"))
    return [(entry["image"], entry["command"], entry["folder"]) for entry in found]


def main() -> None:
    """Run the commands, and keep what they draw."""
    programs = str(Path(sys.executable).parent)
    with tempfile.TemporaryDirectory() as folder:
        for image, command, name in entries():
            shell = ["bash", "-euo", "pipefail", "-c", f'export PATH="{programs}:$PATH"\n{command}']
            subprocess.run(shell, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            (drawn,) = [path for file in _PICTURES if (path := Path(folder, name, file)).is_file()]
            write_small(drawn.read_bytes(), ROOT / "docs/images" / image)
            print(image)


if __name__ == "__main__":
    main()
