"""Write and read files of measured rows: a header that explains the fields, and one row on each line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dwdp_hw.rows.schema import FIELDS, FORMAT, Failure, FileContent, MeasuredRow
from dwdp_hw.rows.upgrade import upgraded
from dwdp_hw.rows.write import METHOD
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.typed_file import convert
from dwdp_sim.base.user_file import decoded, parse_json, read_data


def measurement_file(
    machine: Mapping[str, Any], note: str, rows: Sequence[MeasuredRow], failed: Sequence[Failure]
) -> str:
    """Return the text of a measurement file.

    Args:
        machine: Names and versions of GPUs, driver and libraries.
        note: A remark on the machine that `machine` has no key for.
        rows: Measured rows.
        failed: Cases without a row, and why.
    """
    header = {
        "machine": {**machine, "note": note},
        "method": METHOD,
        "fields": FIELDS,
        "failed": list(failed),
    }
    return rows_text(header, rows)


def rows_text(header: Mapping[str, Any], rows: Sequence[MeasuredRow]) -> str:
    """The text of a file with these rows behind a header that has at least `machine` with its number of `gpus`."""
    return json_rows({"format": FORMAT, **header, "rows": list(rows)})


@dataclass(frozen=True)
class MeasurementFile:
    """A file of measured rows as it was read, its rows in the present format.

    Attributes:
        sha256: Of the file.
        machine: Its description; `gpus` counts them.
        mapping: How peer memory was mapped and by how many processes, in words; a row may say it for itself.
        rows: Measured rows.
        failed: Cases that gave none, as `case` and `why`.
    """

    sha256: str
    machine: Mapping[str, Any]
    mapping: str
    rows: Sequence[MeasuredRow]
    failed: Sequence[Failure]


def read_measurement_file(path: str) -> MeasurementFile:
    """Read a file of measured rows, of this format or an older one.

    Raises:
        ConfigError: Not such a file, or of a format from the future.
    """
    data = read_data(path, "rows", "JSON")
    content = convert(parse_json(decoded(data, path, "rows", "JSON"), path, "rows"), FileContent, path, "rows")
    return MeasurementFile(
        sha256=hashlib.sha256(data).hexdigest(),
        machine=content["machine"],
        mapping=content.get("mapping", ""),
        rows=upgraded(content["rows"], content.get("format", 1), path),
        failed=content.get("failed", ()),
    )
