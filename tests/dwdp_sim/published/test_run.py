"""`dwdp-sim workload=published`: what it prints and writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dwdp_sim.app import main
from dwdp_sim.published import run
from dwdp_sim.published.roofline import roofline_rows
from dwdp_sim.published.row import PublishedRow


def test_rows_are_predicted_inside_the_command_printed_in_160_columns_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(*_: object) -> list[PublishedRow]:
        return roofline_rows()  # composes configurations, within a job of Hydra

    monkeypatch.setattr(run, "published_rows", few)
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", "workload=published", "workers=1", f"hydra.run.dir={tmp_path}"])
    main()
    printed = capsys.readouterr().out
    assert "roofline: DEP ÷ DWDP, ISL 32768" in printed
    assert max(map(len, printed.split("written to")[0].splitlines())) <= 160
    rows = json.loads((tmp_path / "published.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(sys, "argv", [*sys.argv, "json=true"])
    main()
    assert capsys.readouterr().out == (tmp_path / "published.json").read_text(encoding="utf-8")
    assert {"predicted", "low", "high", "published", "difference", "in_range", "decides"} <= rows[0].keys()
