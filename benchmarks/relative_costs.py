"""Record what issuing copies costs beside the yardstick: `python benchmarks/relative_costs.py OUT.json`, on GPUs.

Many processes measure the cases of a calibration, and a batch that has one slice in 32 more: a change of the host's
cost by 3.1 % that is really there (docs/checking.md).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.shapes import KIB, pieces_case
from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.run.relative_costs import RelativeCostRun
from dwdp_hw.validation.live import relative_cost_cases
from dwdp_sim.plan.copy_plan import BATCH

MORE = 8  # slices, beside 256


def cases_of(gpus: int) -> list[Case]:
    """The cases of a calibration, and the planted one."""
    cases = relative_cost_cases(gpus)
    batch = cases[-1]
    slices = len(batch.plan.copy_bytes) // len(batch.ranks) + MORE
    plan = pieces_case("", slices, 64 * KIB, BATCH, batch.plan.placement.dwdp_size, batch.ranks).plan
    return [*cases, replace(batch, name="relative_batch_more", plan=plan)]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="JSON file of rows to write")
    parser.add_argument("--groups", type=int, default=24, help="groups of fresh processes, one process a GPU")
    arguments = parser.parse_args()
    gpus = count_gpus()
    run = RelativeCostRun(cases_of(gpus), gpus, Settings())
    run.measure(arguments.groups)
    text = measurement_file(run.machine, "relative costs", run.rows, run.failed)
    arguments.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
