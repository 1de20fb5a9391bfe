"""Measure what issuing copies costs beside the yardstick, in many short-lived processes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.result import RankResult
from dwdp_hw.group.faults import RankFault
from dwdp_hw.rows.relative_costs import relative_costs_from_dict
from dwdp_hw.rows.schema import Failure, MeasuredRow
from dwdp_hw.rows.write import measured_row
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.worker import Work
from dwdp_sim.base.errors import ConfigError


class RelativeCostRun:
    """The cases of `measure=relative_cost`, as often as groups of fresh processes have measured them.

    Where a process's code and data lie in memory changes what a call costs by a per cent or two, for as long as the
    process lives: many processes tell more than one that goes on for long.

    Attributes:
        failed: Cases that failed, and why; they are not measured again.
        machine: What the ranks said of it.
    """

    def __init__(self, cases: Sequence[Case], ranks: int, settings: Settings) -> None:
        self._cases, self._ranks, self._settings = cases, ranks, settings
        self._groups = 0
        self._rows: dict[str, MeasuredRow] = {}
        self.failed: list[Failure] = []
        self.machine: dict[str, Any] = {}

    @property
    def rows(self) -> list[MeasuredRow]:
        """A row for each case that did not fail, over all processes so far."""
        failed = {failure["case"] for failure in self.failed}
        return [self._rows[case.name] for case in self._cases if case.name in self._rows and case.name not in failed]

    def measure(self, groups: int) -> None:
        """Measure every case in so many further groups of processes, one after another."""
        for _ in range(groups):
            failed = {failure["case"] for failure in self.failed}
            left = [case for case in self._cases if case.name not in failed]
            while left:
                try:
                    self._measure_in_one_group(left)
                except (RankFault, ConfigError) as fault:
                    case = left.pop(0)
                    self.failed.append({"case": case.name, "why": str(fault)})
                    sys.stdout.write(f"FAILED {case.name}: {fault}\n")
                finally:
                    self._groups += 1

    def _measure_in_one_group(self, left: list[Case]) -> None:
        """Measure the cases of a list, and take each from it that was measured."""

        def keep(case: Case, results: list[RankResult]) -> None:
            self.machine.update(results[0].machine)
            row = measured_row(case, results, self._groups)
            known = self._rows.get(case.name)
            before = known["relative_cost"] if known else []
            self._rows[case.name] = {**row, "relative_cost": [*before, *row["relative_cost"]]}
            left.pop(0)
            _say(self._rows[case.name])

        run_group(Work(tuple(left), self._settings), self._ranks, keep)


def _say(row: MeasuredRow) -> None:
    costs = relative_costs_from_dict(row, "this run")
    cost_s, yardstick_s = costs.cost_s[-1], costs.yardstick_s[-1]
    said = f"process {len(costs.cost_s)}: {1e6 * cost_s:.3f} µs a copy, {cost_s / yardstick_s:.2f} yardsticks"
    sys.stdout.write(f"{row['case']}, {said}\n")
    sys.stdout.flush()
