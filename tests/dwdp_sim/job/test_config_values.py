"""Every value of a configuration has the type that its key declares."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.config_values import MOST_WHOLE, check_values
from dwdp_sim.job.schema import SimConfig
from tests.dwdp_sim.composing import config_object


def changed(path: str, value: Any) -> SimConfig:
    """The default configuration with one value in place of another."""
    config = config_object()
    group, _, key = path.rpartition(".")
    holder: Any = getattr(config, group) if group else config
    setattr(holder, key, value)
    return config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", 10**30, f"seed={10**30}: at most {MOST_WHOLE} fits in 64 bits"),
        ("seed", True, "seed=True: a whole number is wanted"),
        ("workload.ratio", math.nan, "workload.ratio=nan: a finite number is wanted"),
        ("workload.offsets_s", [[0.0], 0.0], r"workload.offsets_s\[0\]=\[0.0\]: a number is wanted"),
        ("workload.offsets_s", [0.0, math.inf], r"workload.offsets_s\[1\]=inf: a finite number is wanted"),
        ("workload.offsets_s", "0", "workload.offsets_s=0: a list is wanted"),
        ("cluster.constants", [], r"cluster.constants=\[\]: a mapping is wanted"),
        ("workload", 1, "workload=1: a group of keys is wanted"),
        ("workload.range", 1, "workload.range=1: true or false is wanted"),
        ("model.name", "a\x1b[31m", r"model.name=a\\x1b\[31m: printable text is wanted"),
        ("strategy.slice_bytes", {"a": {1: math.inf}}, r"strategy.slice_bytes.a.1=inf: a finite number"),
        (
            "strategy.slice_bytes",
            {1: 2, "a": 3},
            r"slice_bytes=\{1: 2, 'a': 3\}: keys that are all text, or all numbers",
        ),
        ("strategy.slice_bytes", {None: 2}, "keys that are all text, or all numbers, are wanted"),
        ("strategy.slice_bytes", b"2", "strategy.slice_bytes=b'2': text, a number, a list or a mapping is wanted"),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_values(changed(path, value))


def test_a_number_too_long_to_print_is_refused_all_the_same() -> None:
    with pytest.raises(ConfigError, match="seed=a number of thousands of digits: at most"):
        check_values(changed("seed", 16**6000))


def test_a_value_nested_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ConfigError, match="nested too deeply: at most 20 levels"):
        check_values(changed("strategy.slice_bytes", endless))


def test_what_is_composed_passes_unchanged() -> None:
    config = config_object("workload=iteration", "workload.offsets_s=[0,1e-6]", "strategy.slice_bytes=null")
    before = replace(config)
    check_values(config)
    assert config == before
