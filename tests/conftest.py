"""Hypothesis runs the same examples everywhere, without a time limit for each; an engine for many small predictions."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from dwdp_sim.fabric import engine_choice

gc.set_threshold(50_000)  # as every command does; Python's own costs the tests a tenth of their time

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="module")
def loaded_engine() -> Iterator[None]:
    """Predict on the compiled engine what takes SimPy longer than a few milliseconds: many tests share its load.

    For tests of what is done with predictions: the engines' own tests prove that their answers are equal.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine_choice, "MANY_COPIES", 500)
        yield
