"""Run a whole command in this process: what it prints, and the code that it ends with.

A process of its own takes as long as many such commands, nearly all of it imports. What only a process shows stays in
one: that these streams and this code are its own, how it ends by a signal, and what it loads.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch


def run_here(module: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `main` of a module with these words, in a folder, as its program of that name would."""
    out, err = io.StringIO(), io.StringIO()
    main, code = importlib.import_module(module).main, 0
    with (
        patch.object(sys, "argv", [module, *arguments]),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
