"""Read the value of a plain flag, and write it as the value of an override."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.units import parse_bytes
from dwdp_sim.job.hydra_words import quoted
from dwdp_sim.model.moe import FORMATS
from dwdp_sim.plain.nearest import nearest

ENGINES = ("trtllm_ipc", "trtllm_vmm", "sglang")
_SHORT_FORMATS = {"fp8": "fp8_block"}
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_SHARE = re.compile(rf"({_NUMBER}) ?(%?)", re.ASCII)
_TIME = re.compile(rf"({_NUMBER}) ?(s|min|)", re.ASCII)
_MOST_WITHOUT_PERCENT = 2.0  # 97 is 97 % without its sign; nobody asks for links that are 97 times as fast

Read = Callable[[str, str], str]
"""Given the flag's name and what stands behind it, returns the override's value or raises `ConfigError`."""


def whole_number(flag: str, text: str) -> str:
    """A whole number, at least 1."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ConfigError(flag, text, "a whole number from 1 on is wanted")
    return str(int(text))


def slice_size(flag: str, text: str) -> str:
    """A size, or `whole` for pulls that are not cut."""
    if text == "whole":
        return "null"
    parse_bytes(text, flag)
    return quoted(text)


def share(flag: str, text: str) -> str:
    """A share above zero, as 97% or 0.97."""
    match = _SHARE.fullmatch(text)
    found = 0.0 if match is None else float(match[1]) / (100 if match[2] else 1)
    if not found or (found > _MOST_WITHOUT_PERCENT and "%" not in text):
        raise ConfigError(flag, text, "a share above zero is wanted, as 97% or 0.97 for what is 3 % slower")
    return repr(found)


def duration(flag: str, text: str) -> str:
    """A time above zero, as 10s or 2min."""
    match = _TIME.fullmatch(text)
    seconds = 0.0 if match is None else float(match[1]) * (60 if match[2] == "min" else 1)
    if not seconds:
        raise ConfigError(flag, text, "a time above zero is wanted, as 10s or 2min")
    return f"{seconds:g}s"


def weight_format(flag: str, text: str) -> str:
    """A format of weights; fp8 is that of blocks."""
    return one_of(FORMATS)(flag, _SHORT_FORMATS.get(text, text))


def path(flag: str, text: str) -> str:
    """A path, or any other text."""
    if not text.strip():
        raise ConfigError(flag, "''", "a path is wanted")
    return quoted(text)


def one_of(allowed: Collection[str]) -> Read:
    """One of these names."""

    def read(flag: str, text: str) -> str:
        if text not in allowed:
            raise ConfigError(flag, text, f"allowed: {', '.join(allowed)}{nearest(text, allowed)}")
        return quoted(text)

    return read
