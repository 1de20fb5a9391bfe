"""Texts as values of overrides: Hydra reads what was meant."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.job.hydra_words import quoted, unquoted


@settings(max_examples=50)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]) | st.sampled_from("'\\,= "), min_size=1)
)
def test_hydra_reads_any_text_as_that_text(text: str) -> None:
    assert OverridesParser.create().parse_override(f"key={quoted(text)}").value() == text
    assert unquoted(quoted(text)) == text


@pytest.mark.parametrize("text", ["model.json", "./a/b.json", "Qwen/Qwen3-235B-A22B", "2MiB", "my_strategy.py:name"])
def test_what_needs_no_quotes_has_none(text: str) -> None:
    assert quoted(text) == unquoted(text) == text


@pytest.mark.parametrize("text", ["12", "1e5", "null", "True", "nan", "-inf", "a b", "it's", "a,b", "~/x", ""])
def test_what_hydra_would_read_as_something_else_is_quoted(text: str) -> None:
    assert quoted(text)[0] == quoted(text)[-1] == "'"
