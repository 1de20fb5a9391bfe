"""On one real GPU: a change of what issuing costs, of a size that is known, is found beside the yardstick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dwdp_hw.calibration.relative_costs import logs_of_machine
from dwdp_hw.cases.case import Settings
from dwdp_hw.cases.shapes import pieces_case
from dwdp_hw.rows.relative_costs import relative_costs_from_dict
from dwdp_hw.run.relative_costs import RelativeCostRun
from dwdp_sim.plan.copy_plan import BATCH

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_a_gpu"), pytest.mark.filterwarnings("default")]


def test_three_per_cent_more_slices_cost_three_per_cent_more_beside_the_yardstick() -> None:
    slices = {"usual": 256, "more": 264}
    cases = [
        replace(
            pieces_case(name, count, 64 * 1024, BATCH, 2, (0,)),
            home="host", measure="relative_cost", issue_mode="as_issued", lasting_s=2.0,
        )
        for name, count in slices.items()
    ]  # fmt: skip
    run = RelativeCostRun(cases, 1, Settings())
    run.measure(7)
    assert run.failed == []
    found = {row["case"]: relative_costs_from_dict(row, "here") for row in run.rows}
    logs = {name: np.median(logs_of_machine(one)) + np.log(slices[name]) for name, one in found.items()}
    print({name: (one.yardstick_s, one.cost_s) for name, one in found.items()}, logs)
    assert logs["more"] - logs["usual"] == pytest.approx(np.log(264 / 256), abs=0.012)
