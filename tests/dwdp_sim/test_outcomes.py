"""A dozen commands still say what they said, whatever has moved inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dwdp_sim.outcomes import CASES, STORED, outcome


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, text and flag of a summary with its place."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if entries is None:
        yield place, value
        return
    for key, below in entries:
        yield from leaves(below, f"{place}.{key}")


@pytest.mark.parametrize("case", CASES)
def test_a_command_says_what_it_said(case: str) -> None:
    stored, found = (
        dict(leaves(said)) for said in (json.loads(STORED.read_text(encoding="utf-8"))[case], outcome(case))
    )
    assert found.keys() == stored.keys()
    for place, value in stored.items():
        expected = pytest.approx(value, rel=1e-9, abs=1e-15) if isinstance(value, float) else value
        assert found[place] == expected, place
