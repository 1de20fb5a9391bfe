"""A million rows are written, merged, read, asked and drawn within the memory that docs/sweeps.md states."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dwdp_sim.job.build import build_run
from dwdp_sim.results.predict import summarize_run
from dwdp_sim.sweep.compact import compacted_jobs
from dwdp_sim.sweep.jobs import Asked
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import Run, result_rows, write_pieces
from tests.dwdp_sim.composing import config_object
from tests.dwdp_sim.sweep.page.sweeps import BEGAN

ROOT = Path(__file__).resolve().parents[3]
RANKS, JOBS, APIECE = 4, 250_000, 5_000
MOST_GB = {"load_results": 4, "connect, with every configuration": 6, "dwdp-report page": 3}
_CODE = {
    "load_results": "from dwdp_sim.sweep.query import load_results; assert len(load_results(PATH)) == 1_000_000",
    "connect, with every configuration": (
        "from dwdp_sim.sweep.query import connect; jobs = connect(PATH).sql('select count(config_json) from jobs')\n"
        "assert jobs.fetchall() == [(250_000,)]"
    ),
    "dwdp-report page": (
        "from pathlib import Path; from dwdp_sim.sweep.page.page import write_page\n"
        "write_page(Path(PATH), Path(PATH) / 'report.html')"
    ),
}
_PEAK = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"


def pieces(jobs: int) -> Iterator[pa.Table]:
    """The rows of one real job again and again, under other names, seeds, times and configurations."""
    overrides = ("model=deepseek_v3_lite_nvfp4", "strategy.slice_bytes=8MiB")
    built = build_run(config_object(*overrides), overrides)
    asked = Asked("", "", overrides, config_object(*overrides))
    rows = result_rows(asked, built, summarize_run(built), Run("sweep", BEGAN, 0.25))
    before, after = rows.column("config_json")[0].as_py().split('"seed": 0')
    for first in range(0, jobs, APIECE):
        numbers = np.arange(first, min(first + APIECE, jobs))
        names = [f"{number:032x}" for number in numbers]
        time_s = rows.column("prefetch_latency_mean_s")[0].as_py() * (1 + 0.1 * (numbers % 7))
        changed = {
            "job": pa.array(np.repeat(names, RANKS)),
            "asked_hash": pa.array(np.repeat(names, RANKS)),
            "config_hash": pa.array(np.repeat(names, RANKS)),
            "seed": pa.array(np.repeat(numbers // 2, RANKS)),
            "strategy": pa.array(np.repeat([("batched", "waves")[number % 2] for number in numbers], RANKS)),
            "prefetch_latency_mean_s": pa.array(np.repeat(time_s, RANKS)),
            "config_json": pa.array(
                [text for n in numbers for text in (f'{before}"seed": {n // 2}{after}', *[None] * (RANKS - 1))]
            ),
        }
        part = rows.take(pa.array(np.tile(np.arange(RANKS), len(numbers))))
        for name, column in changed.items():
            part = part.set_column(part.column_names.index(name), name, column)
        yield part


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Folder(tmp_path_factory.mktemp("million"))
    write_pieces(folder.path / "jobs" / f"compact-{0:016x}.parquet", pieces(JOBS))
    assert len(compacted_jobs(folder)) == JOBS
    return folder.path


@pytest.mark.slow
@pytest.mark.parametrize("what", MOST_GB)
def test_a_million_rows_fit_in_the_memory_that_is_stated(what: str, million: Path) -> None:
    code = _CODE[what].replace("PATH", repr(str(million))) + _PEAK
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=1800)
    assert int(done.stdout) <= MOST_GB[what] * 1e9


def test_the_page_states_these_limits() -> None:
    text = " ".join((ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8").split())
    for what, most in MOST_GB.items():
        assert f"{what}: {most} GB" in text


def test_what_is_merged_in_pieces_reads_as_it_was(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    write_pieces(folder.path / "jobs" / f"compact-{0:016x}.parquet", pieces(12_500))
    assert len(compacted_jobs(folder)) == 12_500
