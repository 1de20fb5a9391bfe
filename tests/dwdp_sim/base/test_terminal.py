"""A progress line appears on a terminal, after two seconds; elsewhere nothing does."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dwdp_sim.base import terminal
from dwdp_sim.base.terminal import plain_console, progress_line


def shown(*, is_terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=is_terminal, width=100, legacy_windows=False)
    with progress_line(console, "runs") as show:
        show("comparing", 3, 7)
    return text.getvalue()


def test_what_is_done_in_time_shows_no_line() -> None:
    assert "comparing" not in shown(is_terminal=True)


def test_what_takes_longer_shows_what_is_done_and_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_QUIET_S", -1.0)
    line = shown(is_terminal=True)
    assert "comparing" in line
    assert "3/7" in line
    assert shown(is_terminal=False) == ""


def test_a_total_that_nobody_knows_is_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_QUIET_S", -1.0)
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, legacy_windows=False)
    with progress_line(console, "predictions") as show:
        show("fitting", 3)
    assert "3/?" in text.getvalue()


def test_output_that_is_not_for_a_terminal_has_a_fixed_width() -> None:
    file, screen = Console(file=io.StringIO(), width=40), Console(file=io.StringIO(), force_terminal=True, width=40)
    assert plain_console(file).width == 120
    assert plain_console(file, 130).width == 130
    assert plain_console(screen) is screen
