"""Measure cases in several rounds spread over a run, each in fresh processes, with a reference transfer around each."""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.result import RankResult
from dwdp_hw.group.faults import RankFault
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.rounds import MeasuredRound, row_of_rounds, usual_reference_s
from dwdp_hw.rows.schema import NOT_RUN, WARNINGS, Failure, MeasuredRow
from dwdp_hw.rows.write import measured_row
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.relative_costs import RelativeCostRun
from dwdp_hw.run.worker import Work
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.errors import ConfigError

PROCESSES = 12
"""Processes that measure relative costs, at least: so many show a change of 2 % (studies/rounds.py)."""

_MOST_AGAIN = 1  # times that a round's disturbed cases are measured again at its end
_MOST_FAILURES = 4  # failures in a row after which the machine is at fault, not a case


class _TimeIsUp(Exception):
    """Ends the ranks between two cases."""


def run_rounds(
    cases: Sequence[Case],
    reference: Case,
    ranks: int,
    settings: Settings,
    path: Path,
    note: str,
    *,
    rounds: int,
    seed: int,
    limit_s: float | None = None,
    warned: Callable[[], Sequence[str]] = tuple,
    relative: Sequence[Case] = (),
) -> int:
    """Measure all cases in each of several rounds and write one row a case.

    A round runs in fresh processes, in a random order of its own. What it measured while the reference transfer was off
    its usual time is measured again at its end, once. A case that fails is noted and left out from then on.

    Args:
        cases: Of `measure=layer`.
        reference: A short case of the same kind of link.
        ranks: Processes of a group.
        settings: How they are run.
        path: File of rows to write.
        note: A line about the machine for its header.
        rounds: How many.
        seed: Of the orders.
        limit_s: Seconds after which no further case begins; what has no round by then is listed as not run.
        warned: What speaks against the machine now; asked before each round and after the last, written to the header.
        relative: Cases of `measure=relative_cost`, which processes of their own measure before each round.

    Returns:
        Number of cases without a row.
    """
    run = _Run(reference, ranks, settings, limit_s, warned, RelativeCostRun(relative, ranks, settings))
    groups = math.ceil(PROCESSES / ranks / rounds)
    draw = random.Random(seed)
    why_not = "too many failures in a row"
    try:
        for number in range(rounds):
            left = run.begin(number, rounds, cases)
            order = draw.sample(left, len(left))
            run.relative.measure(groups)
            run.measure(order)
            for _ in range(_MOST_AGAIN):
                run.measure(run.disturbed(order))
            run.save(cases, path, note)
    except _TimeIsUp:
        why_not = f"the limit of {limit_s:g} s was over"
    known = {*run.found, *(failure["case"] for failure in run.failed)}
    run.failed += [{"case": case.name, "why": f"{NOT_RUN}{why_not}"} for case in cases if case.name not in known]
    run.look()
    run.save(cases, path, note)
    return len(run.failed) + len(run.relative.failed)


class _Run:
    """What has been measured so far.

    Attributes:
        found: The rounds of each case, by its name.
        failed: Cases that failed, and why.
        relative: What issuing costs beside the yardstick.
    """

    def __init__(
        self,
        reference: Case,
        ranks: int,
        settings: Settings,
        limit_s: float | None,
        warned: Callable[[], Sequence[str]],
        relative: RelativeCostRun,
    ) -> None:
        self._reference, self._ranks, self._settings, self._limit_s = reference, ranks, settings, limit_s
        self._warned, self.relative = warned, relative
        self._began = time.monotonic()
        self._title = ""
        self._groups = self._done = self._left = self._in_a_row = 0
        self._machine: dict[str, Any] = {}
        self.found: dict[str, list[MeasuredRound]] = {}
        self.failed: list[Failure] = []

    def begin(self, number: int, rounds: int, cases: Sequence[Case]) -> list[Case]:
        """Begin a round and return its cases: those that have not failed."""
        failed = {failure["case"] for failure in self.failed}
        left = [case for case in cases if case.name not in failed]
        self._title = f"round {number + 1} of {rounds}"
        self._left = (rounds - number) * len(left)
        self.look()
        return left

    def look(self) -> None:
        """Note what speaks against the machine now, while no rank runs."""
        known = self._machine.get(WARNINGS, [])
        found = [*known, *(text for text in self._warned() if text not in known)]
        self._machine |= {WARNINGS: found} if found else {}

    def measure(self, cases: Sequence[Case]) -> None:
        """Measure each case once, in this order, in fresh processes.

        Raises:
            _TimeIsUp: The limit is over.
        """
        left = list(cases)
        while left and self._in_a_row < _MOST_FAILURES:
            try:
                self._measure_in_one_group(left)
            except (RankFault, ConfigError) as fault:
                case = left.pop(0)
                self._in_a_row += 1
                self._left -= 1
                self.failed.append({"case": case.name, "why": str(fault)})
                self.found.pop(case.name, None)  # a case that failed once is not to be compared
                sys.stdout.write(f"FAILED {case.name}: {fault}\n")
            finally:
                self._groups += 1

    def _measure_in_one_group(self, left: list[Case]) -> None:
        """Measure the cases of a list, and take each from it that has a reference before and behind it."""
        # The very first transfer of a process only wakes the link.
        references = [replace(self._reference, name=f"{self._reference.name}_{n}") for n in range(len(left) + 2)]
        behind = zip(left, references[2:], strict=True)
        order = [*references[:2], *(case for pair in behind for case in pair)]
        names = {case.name for case in left}
        before_s = 0.0
        row: MeasuredRow | None = None

        def keep(case: Case, results: list[RankResult]) -> None:
            nonlocal before_s, row
            self._machine.update(results[0].machine)
            if case.name in names:
                row = measured_row(case, results)
                return
            after_s = statistics.median(sample.elapsed_s for sample in _pulling(results).samples)
            if row is not None:
                self._keep(row, (before_s, after_s))
                left.pop(0)
                row = None
            before_s = after_s

        run_group(Work(tuple(order), self._settings), self._ranks, keep)

    def _keep(self, row: MeasuredRow, reference_s: tuple[float, float]) -> None:
        elapsed_s = time.monotonic() - self._began
        self.found.setdefault(row["case"], []).append(MeasuredRound(row, self._groups, elapsed_s, reference_s))
        self._in_a_row = 0
        self._done, self._left = self._done + 1, self._left - 1
        self._say(row, elapsed_s)
        if self._limit_s is not None and elapsed_s > self._limit_s:
            raise _TimeIsUp

    def _say(self, row: MeasuredRow, elapsed_s: float) -> None:
        times = " ".join(f"{spread['median']:.1f}" for spread in row["device_us"])
        left_s = elapsed_s / self._done * self._left
        shaky = "" if row["stable"] else f"  UNSTABLE: {row['unstable_reason']}"
        sys.stdout.write(
            f"{self._title}, {elapsed_s:5.1f} s, about {left_s:3.0f} s left: {row['case']}: {times} µs{shaky}\n"
        )
        sys.stdout.flush()

    def disturbed(self, cases: Sequence[Case]) -> list[Case]:
        """Those cases whose last round was disturbed, as far as is known by now."""
        if not self.found:
            return []
        usual_s = self._usual_s()
        found = [case for case in cases if case.name in self.found and self.found[case.name][-1].disturbed(usual_s)]
        self._left += len(found)
        if found:
            sys.stdout.write(f"{self._title}: the link was disturbed during {len(found)} cases, measured again\n")
        return found

    def _usual_s(self) -> float:
        return usual_reference_s([one for rounds in self.found.values() for one in rounds])

    def save(self, cases: Sequence[Case], path: Path, note: str) -> None:
        """Write the rows of what has been measured, in the order of `cases`."""
        usual_s = self._usual_s() if self.found else 0.0
        rows = [row_of_rounds(self.found[case.name], usual_s) for case in cases if case.name in self.found]
        rows, failed = [*rows, *self.relative.rows], [*self.failed, *self.relative.failed]
        text = measurement_file(self._machine, note, rows, failed)
        write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _pulling(results: Sequence[RankResult]) -> RankResult:
    return next(result for result in results if result.pulls)
