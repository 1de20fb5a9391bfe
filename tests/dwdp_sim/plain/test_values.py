"""Values of plain flags, and what is said of those that cannot be used."""

from __future__ import annotations

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plain import values
from dwdp_sim.plan.engines import IMPLEMENTATIONS


@pytest.mark.parametrize(
    ("read", "text", "found"),
    [
        (values.whole_number, "8", "8"),
        (values.whole_number, "008", "8"),
        (values.slice_size, "2MiB", "2MiB"),
        (values.slice_size, "1.5 GB", "'1.5 GB'"),
        (values.slice_size, "whole", "null"),
        (values.share, "97%", "0.97"),
        (values.share, "97 %", "0.97"),
        (values.share, "0.97", "0.97"),
        (values.share, ".5", "0.5"),
        (values.share, "250%", "2.5"),
        (values.duration, "10s", "10s"),
        (values.duration, "10", "10s"),
        (values.duration, "0.5s", "0.5s"),
        (values.duration, "2min", "120s"),
        (values.weight_format, "nvfp4", "nvfp4"),
        (values.weight_format, "fp8", "fp8_block"),
        (values.path, "a b.yaml", "'a b.yaml'"),
    ],
)
def test_a_value_becomes_that_of_an_override(read: values.Read, text: str, found: str) -> None:
    assert read("--flag", text) == found


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (values.whole_number, "0", "a whole number from 1 on is wanted"),
        (values.whole_number, "-1", "a whole number"),
        (values.whole_number, "2.5", "a whole number"),
        (values.whole_number, "٤", "a whole number"),
        (values.whole_number, "", "a whole number"),
        (values.slice_size, "2XB", "a size from one byte"),
        (values.share, "97", "as 97% or 0.97"),
        (values.share, "0%", "a share above zero"),
        (values.share, "-3%", "a share above zero"),
        (values.share, "fast", "a share above zero"),
        (values.duration, "0s", "a time above zero"),
        (values.duration, "soon", "as 10s or 2min"),
        (values.weight_format, "fp4", "allowed: .*; nearest: nvfp4"),
        (values.one_of(("a1", "b2")), "zz", "allowed: a1, b2$"),
        (values.path, " ", "a path is wanted"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_is_allowed(read: values.Read, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^--flag=.*: .*{said}"):
        read("--flag", text)


def test_the_engines_are_those_of_the_plan() -> None:
    assert list(IMPLEMENTATIONS) == list(values.ENGINES)
