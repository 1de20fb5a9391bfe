"""The process that runs a sweep: `main` of it, as `dwdp_sim.base.child_process` calls it."""

from __future__ import annotations

import sys
from pathlib import Path

from dwdp_sim.base.endings import run_command
from dwdp_sim.base.errors import stop
from dwdp_sim.job.hydra_app import one_line_errors
from dwdp_sim.job.hydra_flags import read_command_line
from dwdp_sim.job.schema import SimConfig, register_schemas
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.run import run
from dwdp_sim.sweep.schedule import SweepStopped


def main() -> None:
    """Run the sweep that the arguments describe, and exit with the code that the command shall have."""
    run_command(_run, silent=True)


def _run() -> None:
    _, path, sweep, config_name, *arguments = sys.argv
    sys.argv = ["dwdp-sim", *arguments]  # errors begin with the command's name
    register_schemas()
    folder = Folder(Path(path))
    with one_line_errors(SimConfig):
        try:
            sys.exit(run(config_name, read_command_line(arguments), folder, sweep))
        except SweepStopped as stopped:
            stop(f"{stopped}; {len(folder.finished_names())} jobs have rows, and the same command goes on from here")
