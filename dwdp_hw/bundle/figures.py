"""The figures of a bundle's report: what was measured and what the constants predict, one a rank of a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from dwdp_hw.calibration.calibrate import fitted_rows
from dwdp_hw.rows.recording import Recording
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.gate import BAND
from dwdp_hw.validation.validate import Validation, validate
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.typed_file import Name, convert
from dwdp_sim.base.user_file import parse_json
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions

_SCHEMA = 1
_SAME = 1e-5  # relative; figures are written with six digits

_Seconds = Annotated[float, Meta(gt=0, le=1e6)]


class ReportRow(Struct, forbid_unknown_fields=True, frozen=True):
    """One rank of one case, in seconds; as in `comparison.ValidationRow`."""

    part: Name
    case: Name
    rank: Annotated[int, Meta(ge=0)]
    measured_s: _Seconds
    predicted_s: _Seconds
    predicted_low_s: _Seconds
    predicted_high_s: _Seconds

    @property
    def place(self) -> tuple[str, str, int]:
        """What tells it from other rows."""
        return self.part, self.case, self.rank


class Report(Struct, forbid_unknown_fields=True):
    """The content of `report.json`."""

    schema: Annotated[int, Meta(ge=1, le=_SCHEMA)]
    rows: list[ReportRow]


def validated(recordings: Sequence[Recording], cluster: Cluster) -> Validation:
    """A bundle's rows beside their predictions; `recordings` are called as its parts are."""
    return validate(recordings, cluster, FabricOptions(), fitted_rows(recordings, cluster), Bars())


def report_of(validation: Validation) -> Report:
    """The figures, with six digits."""
    rows = [
        ReportRow(
            row.file,
            row.case,
            row.rank,
            *map(_rounded, (row.measured_s, row.predicted_s, row.predicted_low_s, row.predicted_high_s)),
        )
        for row in validation.rows
    ]
    return Report(_SCHEMA, rows)


def report_text(report: Report) -> str:
    """The text of `report.json`."""
    return json_rows(msgspec.to_builtins(report))


def read_report(text: str, path: str) -> Report:
    """Read such a text, of the bundle at `path`.

    Raises:
        ConfigError: It is something else.
    """
    return convert(parse_json(text, path, "bundle"), Report, path, "bundle")


def differences(said: Report, found: Report) -> list[str]:
    """Where a report differs from what its rows and constants say now; predictions may move by the gate's band."""
    was, now = ({row.place: row for row in one.rows} for one in (said, found))
    lines = [f"{_name(place)}: no such row" for place in was.keys() - now.keys()]
    lines += [f"{_name(place)}: is not in the report" for place in now.keys() - was.keys()]
    if len(was) < len(said.rows):
        lines.append("a row stands in the report twice")
    for place in was.keys() & now.keys():
        one, other = was[place], now[place]
        if abs(one.measured_s / other.measured_s - 1) > _SAME:
            lines.append(f"{_name(place)}: measured {other.measured_s:.6g} s, the report says {one.measured_s:.6g} s")
        for name in ("predicted_s", "predicted_low_s", "predicted_high_s"):
            before, after = getattr(one, name), getattr(other, name)
            if abs(before - after) / other.measured_s > BAND:
                lines.append(f"{_name(place)}: {name} is {after:.6g}, the report says {before:.6g}")
    return sorted(lines)


def _name(place: tuple[str, str, int]) -> str:
    part, case, rank = place
    return f"{part}, {case}, rank {rank}"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
