"""What commands show on a terminal: text as it is, a progress line, and a width for output that goes elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dwdp_sim.base.errors import visible


class Show(Protocol):
    """Shows what is being done, how much of it is done, and how much there is, where that is known."""

    def __call__(self, part: str, done: int, of: int | None = None, /) -> None:
        """Show it."""


_QUIET_S = 2.0  # anything shorter needs no progress line


class TextConsole(Console):
    """A console for text that anybody may have written, as names in files: it shows every string as it is.

    Square brackets are no markup, colons no emoji, and a control character is an escape that the terminal does not
    obey. Rich draws every string by `render_str`, those in tables too.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        """Return the string as rich text."""
        return super().render_str(printable(text), **(how | {"markup": False, "emoji": False}))


def printable(text: str) -> str:
    """Return `text` with every unprintable character but line ends as an escape."""
    return "\n".join(map(visible, text.split("\n")))


def plain_console(console: Console, width: int = 120) -> Console:
    """Return the console itself on a terminal; elsewhere one of a fixed width, so that a file does not depend on it."""
    return console if console.is_terminal else TextConsole(width=width, file=console.file)


def say(console: Console, text: str, *, dim: bool = False) -> None:
    """Print a line as it is: no markup, no colours for numbers, not broken, so that paths can be copied."""
    console.print(Text(printable(text), style="dim" if dim else ""), soft_wrap=True)


def print_file(path: Path) -> None:
    """Write a text file to standard output as it is, for a program that reads it there (`json=true`)."""
    sys.stdout.write(path.read_text(encoding="utf-8"))


class _Lines(Progress):
    """A progress line below a text that may change."""

    def __init__(self, *columns: ProgressColumn, above: Callable[[], str], console: Console) -> None:
        self._above = above
        super().__init__(*columns, console=console, transient=True, disable=not console.is_terminal)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the text, if there is any, and the line."""
        if text := self._above():
            yield Text(printable(text), style="bold")
        yield from super().get_renderables()


@contextmanager
def progress_line(
    console: Console, unit: str, *, elapsed: bool = False, above: Callable[[], str] = lambda: ""
) -> Iterator[Show]:
    """Show a progress line while the block runs, after two seconds and on a terminal only.

    Args:
        console: Where.
        unit: What is counted, as `runs`.
        elapsed: Whether the line ends in the time spent, instead of the time left.
        above: Gives the text above it, which shows at once; asked again whenever the terminal is drawn anew.

    Yields:
        A function to call with what is being done, how much of it is done, and, where that is known, how much there is.
    """
    clock = TimeElapsedColumn() if elapsed else TimeRemainingColumn()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        clock,
    )
    with _Lines(*columns, above=above, console=console) as progress:
        bar = progress.add_task("", total=None, visible=False)
        began = time.monotonic()

        def show(part: str, done: int, of: int | None = None, /) -> None:
            late = time.monotonic() - began > _QUIET_S
            progress.update(bar, description=visible(part), completed=done, total=of, visible=late)

        yield show
