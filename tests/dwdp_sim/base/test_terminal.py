"""A progress line appears on a terminal, after two seconds; elsewhere nothing does."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from dwdp_sim.base import terminal
from dwdp_sim.base.terminal import TextConsole, plain_console, print_file, progress_line, say

HOSTILE = "[/red][bold]a[/bold] [link=file:///etc]b[/link] :bomb: \x1b[31mc\x1b]0;d\x07 \u202e \x9b2J"
AS_TEXT = r"[/red][bold]a[/bold] [link=file:///etc]b[/link] :bomb: \x1b[31mc\x1b]0;d\x07 \u202e \x9b2J"
ROOT = Path(__file__).resolve().parents[3]


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


def test_a_text_above_the_line_shows_at_once_and_letter_by_letter() -> None:
    text = io.StringIO()
    console = TextConsole(file=text, force_terminal=True, width=200, color_system=None)
    with progress_line(console, "runs", above=lambda: HOSTILE) as show:
        show("comparing", 3, 7)
    assert AS_TEXT in text.getvalue()
    assert "comparing" not in text.getvalue()


def test_a_file_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "summary.json").write_text('{"a": "[bold]é"}\n', encoding="utf-8")
    print_file(tmp_path / "summary.json")
    assert capsys.readouterr().out == '{"a": "[bold]é"}\n'


def test_output_that_is_not_for_a_terminal_has_a_fixed_width() -> None:
    file, screen = Console(file=io.StringIO(), width=40), Console(file=io.StringIO(), force_terminal=True, width=40)
    assert plain_console(file).width == 120
    assert plain_console(file, 130).width == 130
    assert plain_console(screen) is screen


def _table(text: str) -> Table:
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    return table


@pytest.mark.parametrize(
    ("put", "times"),
    [
        (lambda console: console.print(HOSTILE, highlight=False), 1),
        (lambda console: console.print(Padding(HOSTILE, 1)), 1),
        (lambda console: say(console, HOSTILE), 1),
        (lambda console: console.print(_table(HOSTILE)), 3),
        (lambda console: plain_console(console).print(HOSTILE), 1),
    ],
)
def test_a_name_from_a_file_is_shown_letter_by_letter(put: Callable[[Console], None], times: int) -> None:
    text = io.StringIO()
    put(TextConsole(file=text, width=200))
    assert text.getvalue().count(AS_TEXT) == times
    assert "\x1b" not in text.getvalue()


def test_a_progress_line_does_not_obey_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_QUIET_S", -1.0)
    text = io.StringIO()
    with progress_line(TextConsole(file=text, force_terminal=True, width=200, color_system=None), "runs") as show:
        show(HOSTILE, 1)
    assert AS_TEXT in text.getvalue()


def test_commands_print_on_no_console_that_reads_markup() -> None:
    for path in [*(ROOT / "dwdp_sim").rglob("*.py"), *(ROOT / "dwdp_hw").rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert "Console" not in called, path
        assert "rich.markup" not in imported, f"{path}: TextConsole shows text as it is; escaped, it has backslashes"
