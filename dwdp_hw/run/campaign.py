"""Measure a list of cases into a file that survives a failing case."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dwdp_hw.cases.campaign import one_gpu_cases, peer_cases
from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.result import RankResult
from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.group.faults import NoGpuError, RankFault
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.schema import NOT_RUN, Failure, MeasuredRow
from dwdp_hw.rows.write import measured_row
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.worker import Work
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.endings import run_command
from dwdp_sim.base.errors import ConfigError

_ROWS_BETWEEN_SAVES = 10
_MOST_FAILURES = 4  # failures in a row after which the machine is at fault, not a case


class _TimeIsUp(Exception):
    """Ends the ranks between two cases."""


def run_campaign(
    cases: Sequence[Case], ranks: int, settings: Settings, path: Path, note: str, limit_s: float | None = None
) -> int:
    """Run all cases, writing the file now and then; a failing case is noted, left out, and the rest goes on.

    Args:
        cases: In the order of running.
        ranks: Processes of the group.
        settings: How it is run.
        path: File of rows to write.
        note: A line about the machine for its header.
        limit_s: Seconds after which no further case begins; what is left is listed as not run.

    Returns:
        Number of cases that failed.
    """
    left = list(cases)
    rows: list[MeasuredRow] = []
    failed: list[Failure] = []
    machine: dict[str, Any] = {}
    began = time.monotonic()
    in_a_row = 0

    def save() -> None:
        text = measurement_file(machine, note, rows, failed)
        write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def keep(case: Case, results: list[RankResult]) -> None:
        nonlocal in_a_row
        in_a_row = 0
        machine.update(results[0].machine)
        rows.append(measured_row(case, results))
        left.pop(0)
        _say(rows[-1], time.monotonic() - began)
        if len(rows) % _ROWS_BETWEEN_SAVES == 0:
            save()
        if left and limit_s is not None and time.monotonic() - began > limit_s:
            raise _TimeIsUp

    why_not = "too many failures in a row"
    while left and in_a_row < _MOST_FAILURES:
        try:
            run_group(Work(tuple(left), settings), ranks, keep)
        except _TimeIsUp:
            why_not = f"the limit of {limit_s:g} s was over"
            break
        except (RankFault, ConfigError) as fault:
            in_a_row += 1
            failed.append({"case": left[0].name, "why": str(fault)})
            sys.stdout.write(f"FAILED {left.pop(0).name}: {fault}\n")
    failed += [{"case": case.name, "why": f"{NOT_RUN}{why_not}"} for case in left]
    save()
    return len(failed)


def _say(row: MeasuredRow, elapsed_s: float) -> None:
    device = " ".join(f"{spread['median']:.1f}" for spread in row["device_us"])
    shaky = "" if row["stable"] else f"  UNSTABLE: {row['unstable_reason']}"
    sys.stdout.write(f"{elapsed_s:6.1f} s  {row['case']}: {device} µs, host {row['host_us']}{shaky}\n")
    sys.stdout.flush()


def main() -> None:
    """Run the campaign that fits this machine's GPUs."""
    parser = argparse.ArgumentParser(description="Record the measurement rows of this machine.")
    parser.add_argument("path", type=Path, help="JSON file to write")
    parser.add_argument("--only", default="", help="run only cases whose name contains this")
    parser.add_argument("--seed", type=int, default=None, help="run the cases in a random order")
    parser.add_argument("--note", default="", help="a line about the machine for the file's header")
    arguments = parser.parse_args()
    try:
        gpus = count_gpus()
    except NoGpuError as error:
        sys.stderr.write(f"campaign: {error}\n")
        sys.exit(3)
    cases = [case for case in (peer_cases(gpus) if gpus > 1 else one_gpu_cases()) if arguments.only in case.name]
    if arguments.seed is not None:
        random.Random(arguments.seed).shuffle(cases)
    sys.exit(1 if run_campaign(cases, gpus, Settings(), arguments.path, arguments.note) else 0)


if __name__ == "__main__":
    run_command(main)
