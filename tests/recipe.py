"""The recipe of CONTRIBUTING.md for a model, a cluster and a strategy of one's own, as files in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.test_docs import FENCE, ROOT

HEADING = "## A model, a cluster or a strategy of your own"


def write_recipe(folder: Path) -> str:
    """Write the recipe's files, and its commands as `run.sh`, into `folder`.

    Returns:
        The commands.
    """
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = list(FENCE.finditer(text[text.index(HEADING) :].split("\n## ")[0]))
    (commands,) = [block["body"] for block in blocks if block["language"] == "bash"]
    files = {block["note"].removeprefix("file "): block["body"] for block in blocks if block["note"]}
    for name, body in (files | {"run.sh": commands}).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body, encoding="utf-8")
    return commands


if __name__ == "__main__":
    write_recipe(Path(sys.argv[1]))
