"""Read a command line so that a mistake in it is one line."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from dwdp_sim.base.errors import shorten_words, stop


class OneLineParser(argparse.ArgumentParser):
    """A parser that does not print how the command is used before it says what is wrong."""

    def __init__(self, *, hint: str = "", **how: Any) -> None:
        """
        Args:
            hint: What to look at, added to every message; empty for the command's help.
            how: Arguments of `argparse.ArgumentParser`.
        """
        super().__init__(**how)
        self._hint = hint or f"{self.prog} --help explains it"

    def error(self, message: str) -> NoReturn:
        """End the process with one line and exit code 2."""
        stop(f"{shorten_words(message)}; {self._hint}")
