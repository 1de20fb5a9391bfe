"""One of the processes of `ProcessWorkers`: runs what it is sent, one after another, and sends back what came out."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Answer requests until there are no more; both are pickled, through the pipes that its maker alone has."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what somebody prints here must not be taken for an answer
    while True:
        try:
            function, arguments, keywords = pickle.load(sys.stdin.buffer)  # noqa: S301  # the other end of the pipe is ours alone
        except EOFError:
            return
        answers.write(_answer(function, arguments, keywords))
        answers.flush()


def _answer(function: Callable[..., object], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> bytes:
    try:
        return pickle.dumps((True, function(*arguments, **keywords)))
    except Exception as error:
        error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        return pickle.dumps((False, error))
