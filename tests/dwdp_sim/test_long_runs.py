"""A process that predicts, advises or draws again and again takes no more memory and holds no more files."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import dwdp_sim as dwdp
from dwdp_sim.advice.findings import Effort
from dwdp_sim.steps.requests import RequestLoad
from dwdp_sim.sweep.page.page import write_page
from dwdp_sim.sweep.query import connect
from tests.dwdp_sim.sweep.page.sweeps import LAYER, write_sweep

PAGE_BYTES = os.sysconf("SC_PAGESIZE")
SMALL = {"model": "deepseek_v3_lite_nvfp4", "cluster": "h200_x2", "dwdp_size": 2}


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def assert_flat(run: Callable[[int], object], warm_up: int, times: int) -> None:
    """After `warm_up` runs, `times` more add less than 5 % of memory and no open file."""
    for number in range(warm_up):
        run(number)
    before, files = resident_bytes(), open_files()
    for number in range(warm_up, warm_up + times):
        run(number)
    assert resident_bytes() <= 1.05 * before
    assert open_files() <= files


def predict(seed: int) -> None:
    ways = ("default", "batched", "ring")
    dwdp.predict(**SMALL, strategy=ways[seed % 3], seed=seed, with_range=False)


@pytest.mark.long
def test_two_hundred_predictions_take_no_more_memory() -> None:
    assert_flat(predict, warm_up=50, times=150)


@pytest.mark.slow
def test_a_thousand_predictions_take_no_more_memory() -> None:
    assert_flat(predict, warm_up=100, times=1_000)


@pytest.mark.slow
def test_twenty_advices_take_no_more_memory() -> None:
    def advise(seed: int) -> None:
        load = RequestLoad(isl=1024, max_num_tokens=1024)
        dwdp.advise(**SMALL, load=load, effort=Effort(seeds=(seed, seed + 1)), seed=seed)

    assert_flat(advise, warm_up=3, times=20)


@pytest.mark.long
def test_fifty_pages_and_questions_take_no_more_memory(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [(*LAYER, "strategy=batched", f"seed={seed}") for seed in range(8)])

    def draw(number: int) -> None:
        write_page(sweep, tmp_path / "report.html")
        assert connect(sweep).sql("select count(*) from rows").fetchall() == [(16,)]

    assert_flat(draw, warm_up=10, times=50)
