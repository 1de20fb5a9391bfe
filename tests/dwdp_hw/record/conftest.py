"""Run commands under the recorder, with a library that stands in for CUDA, and import what was recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.here import run_here

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
ENGINE = HERE / "engine.py"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a run with the stand-in library."""
    memory = tmp_path / "memory"
    memory.mkdir()
    path = os.pathsep.join(map(str, (REPOSITORY, HERE / "stand_in")))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DWDP_RECORD")}
    return {**kept, "PYTHONPATH": path, "STAND_IN_FOLDER": str(memory)}


@pytest.fixture
def record(tmp_path: Path, environment: dict[str, str]) -> Run:
    """Run Python under the recorder; records go to the folder `records`."""

    def run(*words: object, options: tuple[str, ...] = (), **changes: str) -> subprocess.CompletedProcess[str]:
        command = ["-m", "dwdp_hw.record", "--out", "records", *options, "--", sys.executable, *map(str, words)]
        return python(tmp_path, {**environment, **changes}, *command)

    return run


@pytest.fixture
def import_records(tmp_path: Path) -> Callable[..., tuple[str, dict[str, Any]]]:
    """Import the folder `records` on the command line; what it printed, and `record.json`."""

    def run(*overrides: str) -> tuple[str, dict[str, Any]]:
        words = ["mode=import", "trace=records", "hydra.run.dir=imported", *overrides]
        ended = run_here("dwdp_hw.app", *words, folder=tmp_path)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout, json.loads((tmp_path / "imported" / "record.json").read_text())

    return run


def python(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def lines_of(folder: Path) -> list[list[dict[str, Any]]]:
    """The lines of each record of a folder."""
    paths = sorted(folder.glob("record-*.jsonl"))
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]


def calls_of(lines: list[dict[str, Any]]) -> list[tuple[str, list[int], int]]:
    """Name, bytes and code of each call of a record."""
    copies = {line["id"]: line["bytes"] for line in lines if line["what"] == "copies"}
    return [(line["name"], copies[line["copies"]], line["code"]) for line in lines if line["what"] == "call"]
