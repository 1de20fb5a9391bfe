"""The published figures about DWDP that the model must come near, without anything fitted to them."""

from __future__ import annotations

import pytest

from dwdp_sim.published.rows import LAYERS, STEP_S, gain_scenario, peer_copy_rows, roofline_rows
from dwdp_sim.steps.replications import run_replications


def test_compute_over_prefetch_is_within_5_percent_of_the_roofline_and_crosses_one_between_8k_and_16k() -> None:
    rows = [row for row in roofline_rows() if row.what.startswith("compute ÷ prefetch")]
    assert len(rows) == 4
    assert max(abs(row.difference) for row in rows) < 0.05
    assert [row.predicted > 1 for row in rows] == [False, False, True, True]


def test_dep_over_dwdp_is_within_10_percent_from_8k_up() -> None:
    rows = [row for row in roofline_rows() if row.what.startswith("DEP ÷ DWDP")]
    assert max(abs(row.difference) for row in rows if "1024" not in row.what) < 0.10


@pytest.mark.long
def test_the_default_copies_of_a_layer_take_the_published_time_within_10_percent_and_are_hidden() -> None:
    (row,) = peer_copy_rows(None)
    assert abs(row.difference) < 0.10
    scenario = gain_scenario("default", 0.8, 32768, STEP_S / LAYERS)
    figures = run_replications([(scenario, 0)], None)[0].figures
    assert figures["bubble_s"] < 0.002 * figures["iteration_s"]
