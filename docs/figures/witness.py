"""What CUPTI recorded beside the events, on two H200s."""

from __future__ import annotations

from rows import read_rows
from wording import percent


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    rows = {case: row for case, row in read_rows("h200_x2_witness").items() if row.get("cupti")}
    apart = {
        case: max(
            abs(seen["span_us"] / time["median"] - 1)
            for seen, time in zip(row["cupti"], row["device_us"], strict=True)
        )
        for case, row in rows.items()
    }  # fmt: skip
    return {
        "spans_apart": percent(max(apart.values())),
        "spans_apart_longest": percent(max(value for case, value in apart.items() if case.startswith("r1_128"))),
    }
