"""How long a user waits for help, and for the prediction of a layer; beside it, what importing NumPy and Hydra takes.

Commands run in turn, so that a machine that others use slows all of them alike. Printed are the least processor time
(of the process and those that it starts) and the least time on the clock, both in seconds.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time

REPEATS = 5
PREDICT = "from dwdp_sim.app import main; main()"
COMMANDS = {
    "import numpy": ["import numpy"],
    "import hydra": ["import hydra"],
    "dwdp --help": ["from dwdp_hw.dwdp_app import main; main()", "--help"],
    "dwdp-sim --help": [PREDICT, "--help"],
    "dwdp-advise --help": ["from dwdp_sim.advice.app import main; main()", "--help"],
    "dwdp-hw --help": ["from dwdp_hw.app import main; main()", "--help"],
    "dwdp-report --help": ["from dwdp_sim.report_app import main; main()", "--help"],
    "dwdp-sim, no range, one draw": [PREDICT, "workload.range=false", "workload.draws=1"],
    "dwdp-sim": [PREDICT],
}


def run(code: list[str], folder: str) -> tuple[float, float]:
    """Processor time and time on the clock of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", *code], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    clock_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock_s


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        for code in COMMANDS.values():
            run(code, folder)  # bytecode and the compiled engine are there afterwards
        rounds = [{name: run(code, folder) for name, code in COMMANDS.items()} for _ in range(REPEATS)]
    print(f"{'':30}{'processor':>10}{'clock':>10}")
    for name in COMMANDS:
        processor_s, clock_s = (min(each[name][part] for each in rounds) for part in (0, 1))
        print(f"{name:30}{processor_s:10.2f}{clock_s:10.2f}")


if __name__ == "__main__":
    main()
