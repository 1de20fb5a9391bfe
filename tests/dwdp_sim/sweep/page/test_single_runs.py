"""Folders of single runs are found by what their summaries say, whatever else lies beside them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from dwdp_sim.sweep.page.single_runs import run_folders


def test_what_is_no_summary_of_a_run_is_passed_over(tmp_path: Path) -> None:
    for name in ("run", "pipe", "deep", "link", "list", "half"):
        (tmp_path / name).mkdir()
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"config_hash": "abc"}))
    os.mkfifo(tmp_path / "pipe" / "summary.json")
    (tmp_path / "deep" / "summary.json").write_text("[" * 100_000)
    (tmp_path / "link" / "summary.json").symlink_to("/dev/zero")
    (tmp_path / "list" / "summary.json").write_text("[]")
    (tmp_path / "half" / "summary.json").write_bytes(b'{"config_hash": "\xff')
    assert run_folders([tmp_path]) == {"abc": tmp_path / "run"}
