"""The process that runs a sweep: `python -m dwdp_sim.sweep.child_process PIPE FOLDER SWEEP CONFIG-NAME ARGUMENTS…`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from dwdp_sim.base.errors import stop
from dwdp_sim.job.hydra_app import one_line_errors
from dwdp_sim.job.hydra_flags import read_command_line
from dwdp_sim.job.schema import SimConfig, register_schemas
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.run import run
from dwdp_sim.sweep.schedule import SweepStopped

_INTERRUPTED = 130


def main() -> None:
    """Run a sweep and exit with the code that the command shall have."""
    pipe, path, sweep, config_name, *arguments = sys.argv[1:]
    sys.argv = ["dwdp-sim", *arguments]  # errors begin with the command's name
    threading.Thread(target=_end_with_parent, args=(int(pipe),), daemon=True).start()
    register_schemas()
    folder = Folder(Path(path))
    try:
        with one_line_errors(SimConfig):
            sys.exit(run(config_name, read_command_line(arguments), folder, sweep))
    except SweepStopped as stopped:
        stop(f"{stopped}; {len(folder.finished_names())} jobs have rows, and the same command goes on from here")
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it may come from the terminal and from the parent
        sys.exit(_INTERRUPTED)


def _end_with_parent(pipe: int) -> None:
    """End this process when its parent ends: reading the pipe, into which nothing is written, returns only then."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
