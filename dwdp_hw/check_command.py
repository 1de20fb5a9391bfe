"""What `dwdp-hw mode=calibrate` and `mode=validate` do, and the codes that they end with."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from dwdp_hw.job.schema import Mode
from dwdp_hw.validation.check_job import CheckJob
from dwdp_hw.validation.run_check import run_calibration, run_validation
from dwdp_hw.validation.verdict import AGREES, CANNOT_TELL, DISAGREES
from dwdp_sim.base.errors import FAILED, UNDECIDED

VERDICT_EXITS = {AGREES: 0, DISAGREES: FAILED, CANNOT_TELL: UNDECIDED}
"""Exit code of a validation by its verdict; 2, 3 and 4 are of errors."""


def check(job: CheckJob, folder: Path, console: Console) -> None:
    """Calibrate or validate; where something is left open or disagrees, the process ends with the code for that."""
    if job.mode is Mode.calibrate:
        code = UNDECIDED if run_calibration(job, folder, console).failed else 0
    else:
        code = VERDICT_EXITS[run_validation(job, folder, console).verdict]
    if code:
        sys.exit(code)
