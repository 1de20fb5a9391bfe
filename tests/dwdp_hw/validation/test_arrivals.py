"""Arrivals made by the simulator under a known rule, compared with the same or another rule."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.rows.row import RecordedRow
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.validation.arrivals import (
    CaseTimeline,
    RankStatistics,
    compare_arrivals,
    one_of_each_strategy,
    timelines_trace,
)
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.figures import timeline_figure
from dwdp_hw.validation.report import Subject, html_report, markdown_report
from dwdp_hw.validation.validate import validate
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from tests.dwdp_sim.programs import cluster, links

MIB = 2**20
TRUE: dict[str, Any] = {**links(4e11), "peer_fixed_s": 9e-6, "peer_gap_s": [[1, 3e-6]]}
SLICED = [{"n": 40, "each": 2 * MIB, "last": MIB}, {"n": 20, "each": 2 * MIB, "last": 512}]
SINGLE = [{"n": 1, "each": size, "last": size} for size in (64 * MIB, 32 * MIB, 16 * MIB, 4096, 2048, 512)]
IN_STEP = pytest.approx(0.0, abs=1e-12)

MakeRow = Callable[..., RecordedRow]


@pytest.fixture
def make_row(tmp_path: Path) -> MakeRow:
    """Read a row whose two ranks saw the given arrivals in µs."""

    def make(arrivals_us: list[list[float | None]] | None, copies: Any = SLICED, **more: Any) -> RecordedRow:
        issue = "batch" if copies is SLICED else "async"
        row: dict[str, Any] = {
            "case": "c", "measure": "layer", "issue": issue, "copies_bytes": copies, "ranks_pulling": 2,
            "queued_behind_gate": True, "device_us": [{"median": 1000.0, "min": 1000.0, "max": 1000.0}] * 2,
            "start_skew_us": None, "stable": True, "unstable_reason": None, **more,
        }  # fmt: skip
        if arrivals_us is not None:
            row["arrival_us"] = [{"copies": times, "call_ends": []} for times in arrivals_us]
        path = tmp_path / "rows.json"
        path.write_text(measurement_file({"gpu": "test", "gpus": 2}, "", [cast("MeasuredRow", row)], []))
        return read_recording(str(path)).rows[0]

    return make


@pytest.fixture
def observed(make_row: MakeRow) -> MakeRow:
    """A row whose arrivals the simulator made under the given rule and constants."""

    def observe(copies: Any = SLICED, order: str = "kept", more: dict[str, Any] | None = None, **changed: Any) -> Any:
        program = make_row(None, copies).program
        options = FabricOptions(batch_order=order)
        end_s = simulate(program, constants_for(cluster(**TRUE | changed), program, options), options).copy_end_s
        owner = program.call_stream[program.copy_call]
        return make_row([(end_s[owner == rank] * 1e6).tolist() for rank in (0, 1)], copies, **more or {})

    return observe


def compared(row: RecordedRow, order: str = "kept") -> CaseTimeline:
    return compare_arrivals(row, cluster(**TRUE), FabricOptions(batch_order=order))


def statistics(row: RecordedRow, order: str = "kept") -> list[RankStatistics]:
    return [rank.statistics() for rank in compared(row, order).ranks]


@pytest.mark.parametrize("copies", [SLICED, SINGLE], ids=["one batch", "single copies"])
def test_arrivals_made_by_the_same_rules_leave_no_residual(observed: MakeRow, copies: Any) -> None:
    row = observed(copies)
    for rank in compared(row).ranks:
        assert rank.residual_s.tolist() == pytest.approx([0.0] * len(rank.measured_s), abs=1e-12)
        found = rank.statistics()
        assert found.rate_ratio == pytest.approx(1.0)
        assert (found.offset_s, found.largest_residual_s, found.unexplained_s) == (IN_STEP, IN_STEP, IN_STEP)
        assert (found.out_of_order, found.predicted_out_of_order) == (0.0, 0.0)
        assert found.watched_longer_s == pytest.approx(rank.measured_s[-1] - 1e-3)


def test_a_doubled_rate_shows_as_rate_and_not_as_fixed_part(observed: MakeRow) -> None:
    for found in statistics(observed(**links(8e11))):
        assert found.rate_ratio == pytest.approx(0.5)
        assert found.offset_s == IN_STEP
        assert found.unexplained_s == IN_STEP
        assert found.largest_residual_s > 100e-6


def test_a_longer_fixed_part_shows_as_offset_and_is_then_removed(observed: MakeRow) -> None:
    for found in statistics(observed(peer_fixed_s=12e-6)):
        assert found.offset_s == pytest.approx(-3e-6)
        assert found.largest_residual_s == pytest.approx(-3e-6)
        assert found.largest_after_offset_s == IN_STEP
        assert found.rate_ratio == pytest.approx(1.0)


def test_a_longer_gap_shows_as_time_a_call_where_rate_and_fixed_part_agree(observed: MakeRow) -> None:
    for found in statistics(observed(SINGLE, peer_gap_s=[[1, 5e-6]])):
        assert found.call_s == pytest.approx(-2e-6)
        assert found.offset_s == IN_STEP
        assert found.rate_ratio == pytest.approx(1.0)


def test_one_batch_has_no_time_a_call(observed: MakeRow) -> None:
    assert [found.call_s for found in statistics(observed())] == [None, None]


def test_two_copies_are_too_few_to_show_a_mechanism(observed: MakeRow) -> None:
    for found in statistics(observed(SINGLE[:2])):
        assert found.rate_ratio == pytest.approx(1.0)
        assert (found.call_s, found.unexplained_s) == (None, None)


def test_slices_that_were_served_in_random_order_are_out_of_order_only_where_measured(observed: MakeRow) -> None:
    for found in statistics(observed(order="random")):
        assert found.out_of_order > 0.5
        assert found.predicted_out_of_order == 0.0
        assert abs(found.unexplained_s or 0.0) > 50e-6


def test_a_predicted_random_order_is_told_apart_from_a_measured_one(observed: MakeRow) -> None:
    for found in statistics(observed(), order="random"):
        assert found.out_of_order == 0.0
        assert found.predicted_out_of_order > 0.5


def test_stamps_within_the_resolution_are_in_order_and_beyond_it_not(make_row: MakeRow) -> None:
    times: list[float | None] = [100.0, 99.5, 200.0, 198.0]
    row = make_row([times, times], [{"n": 4, "each": MIB, "last": MIB}])
    assert [found.out_of_order for found in statistics(row)] == [0.25, 0.25]


def test_copies_that_were_not_seen_are_skipped(observed: MakeRow) -> None:
    row = observed(**links(8e11))
    assert row.arrival_s is not None
    whole = row.arrival_s[0]
    holes = tuple(math.nan if number % 3 == 1 else time for number, time in enumerate(whole))
    seen = compared(replace(row, arrival_s=(holes, (math.nan,) * len(whole))))
    assert [rank.rank for rank in seen.ranks] == [0]  # nothing of rank 1 was seen
    assert seen.ranks[0].number.tolist() == [number for number in range(60) if number % 3 != 1]
    assert seen.ranks[0].measured_s.tolist() == [time for time in holes if not math.isnan(time)]
    found = seen.ranks[0].statistics()
    assert (found.seen, found.copies) == (40, 60)
    assert (found.rate_ratio, found.offset_s) == (pytest.approx(0.5), IN_STEP)


def test_times_that_were_not_seen_are_read_as_nan(make_row: MakeRow) -> None:
    first: list[float | None] = [None, *map(float, range(1, 60))]
    row = make_row([first, []])  # too many copies to watch leave an empty list
    assert row.arrival_s is not None
    assert math.isnan(row.arrival_s[0][0])
    assert row.arrival_s[0][2] == pytest.approx(2e-6)
    assert np.isnan(row.arrival_s[1]).tolist() == [True] * 60


def test_a_row_without_arrivals_has_none(make_row: MakeRow) -> None:
    assert make_row(None).arrival_s is None


def test_arrivals_of_other_copies_are_refused(make_row: MakeRow) -> None:
    with pytest.raises(ConfigError, match=r"case c: arrivals of \[59, 60\] copies for streams of \[60, 60\]"):
        make_row([[1.0] * 59, [1.0] * 60])


def test_each_strategy_is_shown_by_its_stable_row_with_the_most_arrivals(observed: MakeRow, make_row: MakeRow) -> None:
    sliced, single = observed(more={"case": "many"}), observed(SINGLE, more={"case": "six"})
    rows = [
        replace(single, case="few", strategy="batch"),
        sliced,
        single,
        replace(sliced, case="shaky", strategy="third", unstable="drifts"),
        make_row(None, case="unseen", strategy="fourth"),
    ]
    found = one_of_each_strategy(rows, cluster(**TRUE), FabricOptions())
    assert [(entry.strategy, entry.case) for entry in found] == [("batch", "many"), ("async", "six")]


def test_a_trace_has_a_measured_and_a_predicted_process_whose_events_end_at_the_arrivals(observed: MakeRow) -> None:
    timeline = compared(observed(order="random", peer_fixed_s=12e-6))
    trace = json.loads(json.dumps(timelines_trace([timeline])))
    named = {e["args"]["name"]: e["pid"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert named == {"measured: c": 0, "predicted: c": 1}
    rank = timeline.ranks[1]
    for process, arrival_s in ((0, rank.measured_s), (1, rank.predicted_s)):
        events = [e for e in trace["traceEvents"] if (e["ph"], e["pid"], e.get("tid")) == ("X", process, 1)]
        ends = {e["name"]: e["ts"] + e["dur"] for e in events}
        assert ends == {f"copy {n}": pytest.approx(1e6 * time) for n, time in enumerate(arrival_s.tolist())}
        starts = [e["ts"] for e in events]
        assert starts == pytest.approx([0.0, *(e["ts"] + e["dur"] for e in events[:-1])])
    counters = [e for e in trace["traceEvents"] if e["ph"] == "C" and e["name"] == "predicted − measured, rank 1"]
    assert [e["args"]["µs"] for e in counters] == pytest.approx((1e6 * rank.residual_s).tolist())
    assert trace["otherData"]["statistics"]["c"][1] == asdict(rank.statistics())


def test_the_figure_has_a_column_for_each_rank_with_units(observed: MakeRow) -> None:
    figure = timeline_figure(compared(observed()))
    for words in ("rank 0", "rank 1", "measured", "predicted", "arrived (MB)", "(µs)"):
        assert words in figure
    assert figure != timeline_figure(compared(observed(peer_fixed_s=12e-6)))


def test_the_report_shows_the_figure_and_the_differences(observed: MakeRow) -> None:
    row = observed(peer_fixed_s=12e-6)
    recording = Recording("rows.json", "0" * 64, {}, "", (row,))
    validation = validate([recording], cluster(**TRUE), FabricOptions(), set(), Bars())
    subject = Subject(cluster(**TRUE), ["rows.json"], {"gpu": "test"}, {}, timelines=[compared(row)])
    page, text = html_report(validation, subject), markdown_report(validation, subject)
    assert "| c | 0 | 60 of 60 | 0.00 % | -3.00 | – | -3.00 |" in text
    assert "<td>60 of 60</td><td>0.00 %</td><td>-3.00</td>" in page
    assert 'aria-label="Timelines"' in page
    assert "Timelines" not in html_report(validation, replace(subject, timelines=()))
