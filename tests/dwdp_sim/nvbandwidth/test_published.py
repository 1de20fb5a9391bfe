"""The published rows: how well they are predicted, from nothing of their own, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dwdp_sim.nvbandwidth import published
from dwdp_sim.nvbandwidth.harness import TESTCASES
from dwdp_sim.nvbandwidth.machine import predict_bytes_per_s
from dwdp_sim.nvbandwidth.published import (
    Compared,
    PublishedRow,
    both_ways_loss,
    compare_rows,
    published_dir,
    read_links,
    read_published,
    summarize,
)
from dwdp_sim.nvbandwidth.tables import COUNTED, SHOWN, counted_cells, markdown, shown_cells, summary_line

ROOT = Path(__file__).resolve().parents[3]
FOLDER = published_dir()
COMPARED = compare_rows(read_published(FOLDER), read_links(FOLDER))


def counted() -> list[Compared]:
    return [one for one in COMPARED if not one.why_not]


def test_at_least_20_rows_on_6_machines_have_a_median_error_of_1_percent_and_none_above_3() -> None:
    of = summarize(COMPARED)
    assert of.rows >= 20
    assert of.machines >= 6
    assert of.median_error <= 0.01
    assert of.largest_error <= 0.03


def test_no_row_is_predicted_from_itself() -> None:
    """A row's prediction stays where it is when the row itself says something else."""
    rows, links = read_published(FOLDER), read_links(FOLDER)
    for one in counted():
        lied = [replace(row, sum_gb_per_s=row.sum_gb_per_s * 0.7) if row == one.row else row for row in rows]
        (again,) = [
            other
            for other in compare_rows(lied, links)
            if (other.row.machine, other.row.testcase) == (one.row.machine, one.row.testcase)
        ]
        assert (again.low_gb_per_s, again.high_gb_per_s) == (one.low_gb_per_s, one.high_gb_per_s)
        assert again.row.gb_per_s == pytest.approx(0.7 * one.row.gb_per_s)


def test_the_loss_both_ways_comes_from_other_machines() -> None:
    rows = read_published(FOLDER)
    for machine in {row.machine for row in rows}:
        others = [row for row in rows if row.machine != machine]
        assert both_ways_loss(rows, machine) == both_ways_loss(others, machine)
        assert 0.005 < both_ways_loss(rows, machine) < 0.009


def test_the_gap_of_a_copy_decides_no_figure() -> None:
    rows, links = read_published(FOLDER), read_links(FOLDER)
    for one in counted():
        machine = published.machine_of(one.row, rows, links[one.row.machine])
        at = [predict_bytes_per_s(machine, TESTCASES[one.row.testcase], gap_s=gap_s) for gap_s in (6e-6, 12e-6)]
        assert max(at) / min(at) - 1 < 0.003


def every_row() -> Iterator[PublishedRow]:
    yield from read_published(FOLDER)


def test_every_row_says_its_machine_its_source_and_how_it_was_run() -> None:
    links = read_links(FOLDER)
    for row in every_row():
        assert row.machine in links
        assert row.source
        assert row.entries in (row.gpus, row.gpus * (row.gpus - 1))
        assert row.loop_count == 16
        assert row.lowest_gb_per_s <= row.gb_per_s


def test_rows_that_are_not_counted_say_why_and_are_shown() -> None:
    shown = [one for one in COMPARED if one.why_not]
    assert len(shown) + len(counted()) == len(COMPARED)
    outside = [one for one in shown if one.error is not None and abs(one.error) > 0.03]
    assert [(one.row.machine, one.row.testcase) for one in outside] == [("B300", "all_to_one_read_ce")]
    assert f"{100 * abs(outside[0].error or 0):.1f} %" in summary_line(COMPARED)


def test_copies_of_one_source_lose_more_than_any_copy_kernel_on_the_same_links() -> None:
    """If the links lost it, copy kernels on as many GPUs would lose it as well."""
    kernels = {one.row.machine: one for one in COMPARED if one.row.testcase == "all_to_one_read_sm"}
    copies = {one.row.machine: one for one in COMPARED if one.row.testcase == "all_to_one_read_ce"}
    assert kernels.keys() == copies.keys()
    for machine, kernel in kernels.items():
        copy = copies[machine]
        assert copy.row.gb_per_s / copy.pair_gb_per_s < kernel.row.gb_per_s / kernel.pair_gb_per_s


def share(machine: str, testcase: str) -> float:
    (one,) = [one for one in COMPARED if (one.row.machine, one.row.testcase) == (machine, testcase)]
    return one.row.gb_per_s / one.pair_gb_per_s


def test_the_figures_in_the_page_s_sentences() -> None:
    page = (ROOT / "docs" / "nvbandwidth.md").read_text(encoding="utf-8")
    three = {f"{share(machine, 'all_to_one_read_ce'):.3f}" for machine in ("GB200", "GB300")}
    assert three == {"0.858"}
    assert f"{share('H800', 'all_to_one_read_ce'):.3f}" == "0.825"
    assert "0.858 of it with\nthree readers, 0.825 with seven" in page
    kernels = [share(machine, "all_to_one_read_sm") for machine in ("GB200", "GB300")]
    from_three = [share(machine, "one_to_all_read_sm") for machine in ("GB200", "GB300")]
    assert all(0.91 <= one < 0.92 for one in (*kernels, *from_three))
    assert "Three readers of one GB200 or GB300 get 0.91 to 0.92 of a pair" in page
    assert max(from_three) <= max(kernels)
    on_gh200 = {name: f"{share('GH200', name):.2f}" for name in ("all_to_one_read_sm", "one_to_all_write_sm")}
    assert on_gh200 == {"all_to_one_read_sm": "1.11", "one_to_all_write_sm": "1.11"}
    assert f"{share('GH200', 'one_to_all_write_ce'):.2f}" == "2.99"
    assert "get 1.11 of a pair" in page
    assert "get 2.99 pairs" in page
    assert min(share("B300", f"{case}_read_sm") for case in ("all_to_one", "one_to_all")) >= 1.0


def test_the_page_shows_the_table_of_today() -> None:
    page = (ROOT / "docs" / "nvbandwidth.md").read_text(encoding="utf-8")
    for cells in (markdown(COUNTED, counted_cells(COMPARED)), markdown(SHOWN, shown_cells(COMPARED))):
        assert cells in page
    assert summary_line(COMPARED) in page
