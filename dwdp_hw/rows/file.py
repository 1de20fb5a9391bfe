"""Write and read files of measured rows: a header that explains the fields, and one row on each line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dwdp_hw.rows.schema import FIELDS, FORMAT, MeasuredRow, upgraded
from dwdp_hw.rows.write import METHOD
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.user_file import parse_json, read_data


def measurement_file(
    machine: Mapping[str, Any], note: str, rows: Sequence[MeasuredRow], failed: Sequence[Mapping[str, str]]
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
    failed: Sequence[Mapping[str, str]]


def read_measurement_file(path: str) -> MeasurementFile:
    """Read a file of measured rows, of this format or an older one.

    Raises:
        ConfigError: Not such a file, or of a format from the future.
    """
    with refuse_other_files(path):
        data = read_data(path, "rows", "JSON")
        content = parse_json(data, path, "rows")
        return MeasurementFile(
            sha256=hashlib.sha256(data).hexdigest(),
            machine=content["machine"],
            mapping=str(content.get("mapping", "")),
            rows=upgraded(content["rows"], content.get("format", 1), path),
            failed=content.get("failed", ()),
        )


@contextmanager
def refuse_other_files(path: str) -> Iterator[None]:
    """Turn whatever reading a file of another kind raises into one line.

    Raises:
        ConfigError: Instead.
    """
    try:
        yield
    except ConfigError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(getattr(error, "strerror", None) or f"{type(error).__name__} {error}")
        raise ConfigError("rows", path, f"not a file of recorded rows: {reason}") from error
