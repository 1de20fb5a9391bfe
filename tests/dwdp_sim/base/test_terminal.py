"""A progress line appears on a terminal, after two seconds; elsewhere nothing does."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from rich.table import Table

from dwdp_sim.base import terminal
from dwdp_sim.base.errors import visible
from dwdp_sim.base.terminal import PlainConsole, plain_console, progress_line, say


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


NAMES = ["[/red]", "[bold]x", ":smile:", "a\x1b[2Jb", "\r0", "\x07", "[link=file:///]x[/link]", "12"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_names_from_files_are_shown_as_they_stand_wherever_they_are_printed(name: str, is_terminal: bool) -> None:
    text = io.StringIO()
    console = PlainConsole(file=text, force_terminal=is_terminal, no_color=True, width=100, legacy_windows=False)
    table = Table(title=name, box=None)
    table.add_column(name)
    table.add_row(name)
    plain_console(console).print(name, highlight=False)
    console.print(table)
    say(console, name)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue())
    assert shown.count(visible(name)) == 5
    assert not set(shown) & {"\x1b", "\r", "\x07"}
