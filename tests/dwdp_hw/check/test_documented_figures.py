"""The figures of docs/checking.md and of two READMEs are those of the recorded rows and the shipped constants."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwdp_hw.check.calibrate import fitted_rows
from dwdp_hw.check.comparison import AS_ISSUED, QUEUED
from dwdp_hw.check.summary import Summary, percent, summarize
from dwdp_hw.check.validate import Bars, Validation, validate
from dwdp_sim.build import read_cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded import read_recording

ROOT = Path(__file__).resolve().parents[3]
MEASUREMENTS = ROOT / "measurements"
CAMPAIGNS = ("h200_x2_ordered", "h200_x2_random", "h200_x2_random_again")
FILES = {
    "`h200_x2_validation_1.json` to `_4.json`": tuple(f"h200_x2_validation_{number}" for number in (1, 2, 3, 4)),
    **{f"`{name}.json`": (name,) for name in ("h200_x2_live_validation", *CAMPAIGNS, "h200_x2_ipc")},
    "`h100_x1_live_validation.json`": ("h100_x1_live_validation",),
    "`h100_x1_host_experts.json`": ("h100_x1_host_experts",),
}


@cache
def validated(names: tuple[str, ...]) -> Validation:
    """The rows of these files under the shipped cluster of their machine."""
    cluster = read_cluster("h100_x1_host" if names[0].startswith("h100") else "h200_x2")
    recordings = [read_recording(str(MEASUREMENTS / f"{name}.json")) for name in names]
    return validate(recordings, cluster, FabricOptions(), fitted_rows(recordings, cluster), Bars())


def summary_of(names: tuple[str, ...], mode: str) -> Summary:
    found = summarize(validated(names).rows, mode)
    assert found is not None
    return found


def queued_line(label: str, names: tuple[str, ...]) -> str:
    s = summary_of(names, QUEUED)
    figures = map(percent, (s.p95_abs_error, s.median_abs_error, s.max_abs_error))
    return f"| {label} | {s.n} | {' | '.join(figures)} |"


def issued_line(label: str, names: tuple[str, ...]) -> str:
    s = summary_of(names, AS_ISSUED)
    outside = f"{percent(s.p95_outside)} | {percent(s.max_outside)}"
    inside = f"{100 * s.covered:.0f} % | {percent(s.median_width)}"
    return f"| {label} | {s.n} | {outside} | {inside} | {percent(s.median_abs_error)}, {percent(s.p95_abs_error)} |"


def assert_said(lines: Iterable[str], page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [line for line in lines if line not in text]
    assert not missing, "\n".join(["these belong there:", *missing])


def test_the_tables_of_errors_are_those_of_the_recorded_rows() -> None:
    lines = [write(label, names) for write in (queued_line, issued_line) for label, names in FILES.items()]
    assert_said(lines, ROOT / "docs" / "checking.md")


def test_the_live_nodes_errors_are_those_of_their_reports() -> None:
    lines = []
    for name in ("h200_x2_live", "h100_x1_live"):
        content = json.loads((MEASUREMENTS / "reports" / name / "validation.json").read_text())
        queued, issued = (content["summary"][mode] for mode in ("queued", "as_issued"))
        first = ", ".join(percent(queued[f"{figure}_abs_error"]) for figure in ("p95", "median", "max"))
        second = ", ".join(percent(issued[figure]) for figure in ("p95_outside", "max_outside"))
        decided = [ranking for ranking in content["rankings"] if ranking["decided"]]
        right = sum(ranking["right"] for ranking in decided)
        lines.append(f"{queued['n']}: {first} | {issued['n']}: {second} | {right} of {len(decided)} |")
    assert_said(lines, ROOT / "docs" / "checking.md")


def test_the_readme_says_how_well_the_campaigns_are_predicted() -> None:
    found = [summary_of((name,), QUEUED) for name in CAMPAIGNS]
    worst, median = max(s.p95_abs_error for s in found), max(s.median_abs_error for s in found)
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert {s.n for s in found} == {114}
    said = f"(114 figures without host time) with a 95th percentile of at most {100 * worst:.1f} % and a median of"
    assert f"{said} {100 * median:.1f} %" in text
    text = " ".join((ROOT / "docs" / "model.md").read_text(encoding="utf-8").split())
    assert f"with a 95th percentile of {100 * worst:.1f} % and a median of {100 * median:.1f} %" in text


def test_two_gpu_rows_keep_their_bar() -> None:
    for names in FILES.values():
        if names[0].startswith("h200") and names != ("h200_x2_ipc",):
            assert summary_of(names, QUEUED).p95_abs_error <= 0.01, names


def test_the_faster_strategy_was_predicted_in_every_decided_pair_of_the_campaigns() -> None:
    decided = [ranking for name in CAMPAIGNS for ranking in validated((name,)).rankings if ranking.decided]
    assert all(ranking.right for ranking in decided)
    for page in ("docs/checking.md", "README.md"):
        assert f"all {len(decided)} pairs" in (ROOT / page).read_text(encoding="utf-8"), (page, len(decided))


def trains() -> list[tuple[int, float]]:
    """Copies and error of every recorded train of 64 KiB, queued or beyond the queue."""
    rows = [row for names in FILES.values() if names[0].startswith("h200") for row in validated(names).rows]
    alone = [row for row in rows if row.case.startswith("loop") and row.slice_bytes == 65536 and row.ranks == 1]
    return [(row.bytes // 65536, row.error) for row in alone if row.issue_mode == QUEUED]


def test_a_train_of_64_kib_is_predicted_while_its_queue_holds_it_and_does_not_count_beyond() -> None:
    found = trains()
    inside = [abs(error) for copies, error in found if copies <= 800]
    beyond = [-error for copies, error in found if copies > 800]
    assert max(inside) <= 0.025
    assert (len(inside), len(beyond)) == (3, 4)
    said = f"{100 * min(beyond):.1f} to {100 * max(beyond):.1f} %"
    assert said in (ROOT / "docs" / "checking.md").read_text(encoding="utf-8"), said
    assert not any(row.counts for names in FILES.values() for row in validated(names).rows if "long" in row.case)


def test_one_rate_describes_copies_inside_a_gpu_where_the_guide_says_so() -> None:
    # Trains of 2 MiB: 3.0 + 2 MiB ÷ 1.51 TB/s = 4.39 µs a copy. One copy of 8 MiB: 3.4 + 5.56 = 8.96 µs; measured 5.89.
    cluster, content = read_cluster("h100_x1_host"), json.loads((MEASUREMENTS / "h100_x1_host_link.json").read_text())
    measured_us = {row["bytes"]: row["same_gpu_us"][0] for row in content["rows"]}
    fixed_us, rate = 1e6 * cluster.number("local_fixed_s"), cluster.rate("local_bytes_per_s")
    error = {size: (fixed_us + 1e6 * size / rate) / time_us - 1 for size, time_us in measured_us.items()}
    assert max(abs(error[size]) for size in error if size >= 32 << 20) <= 0.05
    assert f"up to {100 * max(error.values()):.0f} % too slow" in (ROOT / "docs" / "checking.md").read_text()
    trains = [row.error for row in validated(FILES["`h100_x1_host_experts.json`"]).rows if row.case.startswith("local")]
    assert max(map(abs, trains)) <= 0.05


REPORTS = {
    "h200_x2_live": "its live calibration (`cluster.yaml`) | its live validation",
    "h100_x1_live": "its live calibration (`cluster.yaml`) | its live validation",
    "h200_x2_processes": "shipped `h200_x2` | `h200_x2_validation_1.json` to `_4.json`",
    "h200_x2_other_day": "shipped `h200_x2` | `h200_x2_random.json`",
    "h100_x1_host": "shipped `h100_x1_host` | `h100_x1_host_experts.json`",
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_list_of_reports_says_what_they_say(name: str) -> None:
    content: dict[str, Any] = json.loads((MEASUREMENTS / "reports" / name / "validation.json").read_text())
    queued, issued = content["summary"]["queued"], content["summary"]["as_issued"]
    line = (
        f"| `{name}` | {REPORTS[name]} | {percent(queued['p95_abs_error'])}, {percent(queued['median_abs_error'])} | "
        f"{percent(issued['p95_outside'])}, {percent(issued['max_outside'])} | "
        f"{'passed' if content['passed'] else 'failed: copies inside the GPU'} |"
    )
    assert_said([line], MEASUREMENTS / "README.md")


def test_nearly_all_of_the_fixed_part_lies_before_the_first_byte() -> None:
    # A watched run has, for each call, the arrival of its last byte and the moment at which the call was over. Stamps
    # are good to 1 µs, so that what lies between them, 1 µs and less, cannot be told from nothing.
    after_us = []
    for name in CAMPAIGNS:
        content = json.loads((MEASUREMENTS / f"{name}.json").read_text())
        for stream in (stream for row in content["rows"] for stream in row.get("arrival_us", ())):
            seen = [time for time in stream["copies"] if time is not None]
            after_us.append(stream["call_ends"][-1] - max(seen))
    low, median, high = np.percentile(after_us, [5, 50, 95])
    fixed_us = 1e6 * read_cluster("h200_x2").number("peer_fixed_s")
    assert len(after_us) == 60
    assert -1.0 < low < 0.0 < median < 1.0 < high < 2.0 < fixed_us / 4
    said = f"{median:.1f} µs in the median of {len(after_us)} watched runs and {high:.1f} in the 95th percentile"
    assert said in (ROOT / "docs" / "checking.md").read_text(encoding="utf-8"), said
