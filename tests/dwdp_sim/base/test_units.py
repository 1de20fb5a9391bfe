from __future__ import annotations

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import format_bytes, format_seconds, format_slice, parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("2MiB", 2097152), ("2 MiB", 2097152), (4096, 4096), ("4096", 4096), ("1.5kB", 1500), ("1GB", 10**9), ("1b", 1)],
)
def test_a_size_is_read(text: object, size: int) -> None:
    assert parse_bytes(text, "key") == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10.0), ("500ms", 0.5), ("2min", 120.0), ("1.5 h", 5400.0), ("0s", 0.0), ("168h", 604800)],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert parse_seconds(text, "key") == seconds


@pytest.mark.parametrize("text", [10, "10", "s", "", "-1s", "1e3s", "2 days", "169h", True, None, "nan", "٣s"])
def test_what_is_no_time_is_refused_with_its_key(text: object) -> None:
    with pytest.raises(ConfigError, match=r"^advise\.within=.*500ms, 10s, 2min or 1h$"):
        parse_seconds(text, "advise.within")


@pytest.mark.parametrize("text", [0, -1, "", "MiB", "2XiB", "0.5B", "1.0000001kB", True, None, "1e6", "nan"])
def test_what_is_no_size_is_refused_with_its_key(text: object) -> None:
    with pytest.raises(ConfigError, match=r"^strategy\.slice_bytes=.*2MiB"):
        parse_bytes(text, "strategy.slice_bytes")


def test_figures_are_readable() -> None:
    assert format_bytes(4_756_342_272) == "4.756 GB"
    assert format_bytes(12) == "12 B"
    assert format_seconds(0.0067184) == "6.718 ms"
    assert format_seconds(8.64e-6) == "8.64 µs"
    assert format_seconds(0.0) == "0"
    assert format_slice(2 * 2**20) == "2 MiB"
    assert format_slice(2**20 + 1) == "1048577 B"
