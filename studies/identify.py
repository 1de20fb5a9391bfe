"""Do the incast experiment's cases tell the hypotheses apart, and does a right model pass its validation?

Every hypothesis in turn is the truth of a simulated machine whose ranks start up to 1.6 µs apart and whose runs scatter
as measured ones do. Of each case it records the median of nine runs. From these rows alone the hypotheses are weighed
as `dwdp-hw +experiment=incast_h200` weighs them, against predictions over other starts; and the true one, then what is
configured, predicts them in a validation, from the starts that were recorded as exactly as GPUs' clocks are known, or
from none.

Run: python studies/identify.py; writes docs/data/identify.jsonl (five minutes of one core). docs/figures/hypotheses.py
writes what docs/hardware.md says of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.calibration.rules import DECIDED
from dwdp_hw.cases.case import Case
from dwdp_hw.cases.incast import incast_cases
from dwdp_hw.cases.program import case_program
from dwdp_hw.cases.start_offsets import LATEST_S
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.rows.streams_codec import fold_streams
from dwdp_hw.run.expectations import Expectation, expect_all
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.rule_scores import place_of, score_hypotheses
from dwdp_hw.validation.validate import validate
from dwdp_sim.base.arrays import Floats
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, Hypothesis, hypotheses
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.plan.program import Program

OUT = Path(__file__).resolve().parents[1] / "docs/data/identify.jsonl"
GPUS = (3, 4, 8)
NOISE = 0.003  # standard deviation of a run: medians over the recorded campaigns are 0.1 to 0.4 %
CLOCK_S = 1.7e-6  # by which a recorded start may be wrong, as recorded rows say
RUNS = 9  # of a row
DRAWS = 24  # of starts under a truth, from which a row's runs are taken
CHOICES, VALIDATIONS = 50, 8  # repeats for each truth
WRONG = 2  # validations of what is configured on rows of another truth
APART = 0.01  # gap between the nearest starts of two hypotheses from which a case tells them apart
LATE_SEED = 1000  # so that the truth's starts are not those of the predictions
_VALIDATED = (
    "all_rotated_in_turns_batch_2048K", "all_ascending_in_turns_batch_2048K", "all_rotated_single_2048K",
    "readers_2_uneven_2048K_16384K", "next_batch_2048K", "v3lite_default", "v3lite_batched_8192K", "gptoss_default",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """What is studied: a cluster as configured, and how many of its GPUs."""

    cluster: Cluster
    options: FabricOptions
    gpus: int

    def expected(self) -> dict[str, list[Expectation]]:
        """What the cases that tell hypotheses apart should take."""
        return expect_all(first_cases(self.gpus), self.cluster, self.options, every=True)

    def truths(self, expected: Mapping[str, Sequence[Expectation]]) -> list[Hypothesis]:
        """The hypotheses under which some case takes another time; of equal ones the first."""
        found: dict[tuple[int, ...], Hypothesis] = {}
        for hypothesis in hypotheses(self.cluster, self.options):
            found.setdefault(tuple(place_of(hypothesis.name, case) for case in expected.values()), hypothesis)
        return list(found.values())


@dataclass(frozen=True)
class Runs:
    """What a machine with one truth does with a case, in seconds; shapes (draws, ranks)."""

    program: Program
    starts_s: Floats
    elapsed_s: Floats

    @classmethod
    def of(cls, case: Case, truth: Hypothesis, machine: Machine) -> Runs:
        """Simulate the draws."""
        cluster, options = truth.machine(machine.cluster, machine.options)
        program = case_program(case)
        constants = constants_for(cluster, program, options)
        random = np.random.default_rng(LATE_SEED)
        starts_s = random.uniform(0.0, LATEST_S, (DRAWS, len(program.stream_gpu)))
        elapsed_s = [
            simulate(
                replace(program, stream_start_s=program.stream_start_s + later_s), constants, options,
                seed=LATE_SEED + draw,
            ).stream_elapsed_s
            for draw, later_s in enumerate(starts_s)
        ]  # fmt: skip
        return cls(program, starts_s, np.array(elapsed_s))

    def row(self, name: str, random: np.random.Generator, *, recorded: bool) -> MeasuredRow:
        """A measured row: some of the draws with noise; the starts as clocks see them, or none."""
        chosen = random.choice(DRAWS, RUNS, replace=False)
        times = 1e6 * self.elapsed_s[chosen] * (1 + NOISE * random.standard_normal((RUNS, self.elapsed_s.shape[1])))
        clocks_s = random.uniform(-CLOCK_S, CLOCK_S, self.starts_s.shape[1])
        seen_s = self.starts_s[chosen] + clocks_s
        seen_us = 1e6 * (seen_s - seen_s.min(axis=1, keepdims=True))
        return {
            "case": name,
            "measure": "layer",
            "streams": fold_streams(self.program),
            "queued_behind_gate": True,
            "device_us": [
                {"median": float(np.median(runs)), "min": float(runs.min()), "max": float(runs.max())}
                for runs in times.T
            ],
            "host_us": [],
            "start_skew_us": None,
            "start_us_runs": seen_us.T.tolist() if recorded else None,
            "clock_uncertainty_us": 1e6 * CLOCK_S,
            "stable": True,
            "unstable_reason": None,
        }


def first_cases(gpus: int) -> list[Case]:
    """The first block of the experiment."""
    return incast_cases(gpus)[0]


def pair_rows(
    gpus: int, expected: Mapping[str, Sequence[Expectation]], names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """For each pair of hypotheses the case whose times lie furthest apart, for all starts and some rank."""
    for one, other in combinations(names, 2):
        gaps = {case: _gap(_of(one, found), _of(other, found)) for case, found in expected.items()}
        best = max(gaps, key=lambda case: gaps[case])
        telling = [case for case, gap in gaps.items() if gap >= APART]
        yield {"kind": "pair", "gpus": gpus, "one": one, "other": other, "case": best, "gap": round(gaps[best], 4),
               "telling": telling}  # fmt: skip


def _of(name: str, found: Sequence[Expectation]) -> Expectation:
    return next(one for one in found if name in one.hypotheses)


def _gap(one: Expectation, other: Expectation) -> float:
    """Distance of two ranges over starts as a part of the lower one's end, for the rank where it is greatest."""
    above, below = other.low_s / one.high_s - 1, one.low_s / other.high_s - 1
    return float(max(above.max(), below.max(), 0.0))


def truth_row(machine: Machine, truth: Hypothesis, expected: Mapping[str, Sequence[Expectation]], *, choices: int,
              validations: int) -> dict[str, Any]:  # fmt: skip
    """How often the rows of a machine choose its truth, and how often the truth passes its validation."""
    began = time.monotonic()
    runs = {case.name: Runs.of(case, truth, machine) for case in first_cases(machine.gpus)}
    random = np.random.default_rng([machine.gpus, len(truth.name)])
    found = decided = 0
    for _ in range(choices):
        rows = [bank.row(name, random, recorded=False) for name, bank in runs.items()]
        measured = {row["case"]: [time["median"] * 1e-6 for time in row["device_us"]] for row in rows}
        best, second = score_hypotheses(expected, measured)[:2]
        found += truth.name in best.hypotheses
        decided += truth.name in best.hypotheses and second.log_likelihood <= -DECIDED
    validated = {case.name: case for block in incast_cases(machine.gpus) for case in block if case.name in _VALIDATED}
    runs |= {name: Runs.of(case, truth, machine) for name, case in validated.items()} if validations else {}
    outcomes = [_validate(machine, truth, runs, random, recorded=number % 2 == 0) for number in range(validations)]
    wrong = [] if truth == AS_CONFIGURED else range(min(validations, WRONG))
    mistaken = [_validate(machine, AS_CONFIGURED, runs, random, recorded=number % 2 == 0) for number in wrong]
    return {
        "kind": "truth",
        "gpus": machine.gpus,
        "hypothesis": truth.name,
        "choices": choices,
        "found": found,
        "decided": decided,
        "validations": validations,
        "passed": sum(passed for passed, _ in outcomes),
        "wrong": len(mistaken),
        "wrong_passed": sum(passed for passed, _ in mistaken),
        "failures": [failure for _, failures in outcomes for failure in failures],
        "seconds": round(time.monotonic() - began, 1),
    }


def _validate(
    machine: Machine, model: Hypothesis, runs: Mapping[str, Runs], random: np.random.Generator, *, recorded: bool
) -> tuple[bool, list[str]]:
    """Whether a model passes on rows of a machine, and the bars it missed."""
    cluster, options = model.machine(machine.cluster, machine.options)
    rows = [bank.row(name, random, recorded=recorded) for name, bank in runs.items()]
    header = {"gpu": "simulated", "gpus": machine.gpus, "driver": "none"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        path.write_text(measurement_file(header, "", rows, []))
        result = validate([read_recording(str(path))], cluster, options, set(), Bars())
    return result.passed, result.failures


def study(gpus: int, *, choices: int = CHOICES, validations: int = VALIDATIONS) -> Iterator[dict[str, Any]]:
    """All rows of a number of GPUs; with eight, only which pairs are told apart."""
    machine = Machine(read_cluster("hgx_h200"), FabricOptions(), gpus)
    expected = machine.expected()
    truths = machine.truths(expected)
    yield from pair_rows(gpus, expected, [truth.name for truth in truths])
    for truth in truths if gpus < GPUS[-1] else []:
        yield truth_row(machine, truth, expected, choices=choices, validations=validations)


def read_rows() -> list[dict[str, Any]]:
    """The committed rows."""
    return [json.loads(line) for line in OUT.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Run everything."""
    began = time.monotonic()
    rows = []
    for gpus in GPUS:
        for row in study(gpus):
            rows.append(row)
            if row["kind"] == "truth":
                told = f"found {row['found']}/{row['choices']}, passed {row['passed']}/{row['validations']}"
                told += f", as configured {row['wrong_passed']}/{row['wrong']}"
                sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {gpus} GPUs, {row['hypothesis']}: {told}\n")
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write_whole(OUT, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
