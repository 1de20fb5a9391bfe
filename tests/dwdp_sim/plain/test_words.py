"""The help of `dwdp`, and that it says what is there."""

from __future__ import annotations

import re
import shlex

import pytest

from dwdp_sim.plain.help_text import help_of, help_of_all
from dwdp_sim.plain.translate import translate
from dwdp_sim.plain.words import BY_NAME, WORDS, Word
from tests.test_docs import ROOT

TRANSLATED = ("predict", "advise", "sweep", "validate", "import")


def test_the_help_lists_every_word_with_a_line_and_three_examples() -> None:
    text = help_of_all()
    assert re.findall(r"^  (\w+)  +\S", text, re.MULTILINE) == [word.name for word in WORDS]
    assert len(re.findall(r"^  dwdp ", text, re.MULTILINE)) == 3
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_the_help_of_a_word_has_three_examples_and_every_flag(word: Word) -> None:
    text = help_of(word)
    assert text.startswith(f"dwdp {word.name}")
    assert len(word.examples) == 3
    assert all(f"\n  {command}\n" in text for command, _ in word.examples)
    assert all(re.search(rf"^  {flag.name}\b", text, re.MULTILINE) for flag in word.flags)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", TRANSLATED)
def test_examples_are_command_lines_that_can_be_translated(name: str) -> None:
    for command, _ in BY_NAME[name].examples:
        program, word, *words = shlex.split(command)
        assert (program, word) == ("dwdp", name)
        assert translate(BY_NAME[word], words).line


def test_the_page_lists_every_word_and_every_flag() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for word in WORDS:
        assert f"`{word.name}`" in page
    for name in TRANSLATED:
        for flag in BY_NAME[name].flags:
            assert f"`{flag.name}`" in page
            assert not flag.key or f"`{flag.key}`" in page or flag.key == "strategy"
