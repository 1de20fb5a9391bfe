"""`python -m dwdp_hw.record -- COMMAND`: run an engine and write down the copies that it really issues."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dwdp_hw.record.command_line import RECORDS, Request, read_request
from dwdp_hw.record.inside.start import FOLDER, WINDOW
from dwdp_hw.record.run_child import run_child
from dwdp_sim.base.endings import in_one_line
from dwdp_sim.base.errors import ConfigError, visible

HOOK = Path(__file__).resolve().parent / "hook"


def main() -> None:
    """Entry point; the process ends with the engine's exit code."""
    with in_one_line():
        request = read_request(sys.argv[1:])
        try:
            code = run_child(request.command, environment_of(request, os.environ))
        except OSError as error:
            raise ConfigError("command", request.command[0], f"cannot be run: {error.strerror or error}") from error
        _say_what_was_recorded(request.folder)
        sys.exit(code)


def environment_of(request: Request, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which every Python process records itself."""
    path = [str(HOOK), *filter(None, [environment.get("PYTHONPATH")])]
    changed = {**environment, "PYTHONPATH": os.pathsep.join(path), FOLDER: str(request.folder)}
    if request.window is not None:
        changed[WINDOW] = ",".join(map(str, request.window))
    return changed


def _say_what_was_recorded(folder: Path) -> None:
    files = sorted(folder.glob(RECORDS))
    found = f"{len(files)} processes recorded; dwdp-hw mode=import trace={folder}"
    none = "no process was recorded: none imported cuda.bindings.runtime or torch with PYTHONPATH as it was given"
    sys.stderr.write(visible(f"dwdp_hw.record: {found if files else none}") + "\n")


if __name__ == "__main__":
    main()
