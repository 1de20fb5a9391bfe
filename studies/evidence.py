"""Weigh what nobody has measured with public figures that nobody fitted: a likelihood of each hypothesis.

Every published copy program whose order is known is simulated under every hypothesis, for several guesses at what its
source does not say (starts, launch costs, rates where only ends are known, losses both ways unless a hypothesis names
them). A figure's likelihood under a guess is Student's density, with four degrees of freedom, of ln(published ÷
predicted) over the stated relative error of its group. Figures of a group share machine and program, so they vote as
one: their log densities are averaged. The likelihood of the group is the mean over guesses; that of a hypothesis is the
product over groups.

Run: python studies/evidence.py (five minutes of one core); writes docs/data/evidence.jsonl and the tables in
docs/hypotheses.md. python studies/evidence.py --write only draws the tables from the data.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from evidence_page import write_page
from evidence_rows import LAYER_EVERY_S, Row, Unknown, drawn_both_ways, read_rows, replay_of

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.fabric.hypotheses import (
    ARTEFACT_AS_LOSS,
    AS_CONFIGURED,
    EXCLUDED,
    FIFO,
    INCAST,
    Hypothesis,
    hypotheses,
    variants,
)
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.job import StepsJob
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.steps.coarse_plan import coarse_constants
from dwdp_sim.steps.scenario import replicate

DATA = Path(__file__).resolve().parents[1] / "docs/data/evidence.jsonl"
FREEDOM = 4  # of Student's density: one figure that is off for a reason nobody thought of does not decide
ERRORS = (0.01, 0.02, 0.03, 0.06)  # of a figure, for which a source's factor is weighed
WINDOW = (1.0, 1.4)  # of a step of 16,384 tokens, over what follows from 32,768 in proportion
FACTORS = [round(0.80 + 0.01 * step, 2) for step in range(21)]  # of a source's rate with several readers
STEPS = {"0_5_16384": (0.5, 13_134), "0_8_16384": (0.8, 14_753)}  # of a gain's row: shortest input; mean tokens
STEP_TOKENS = 29_475  # mean tokens of the published iteration


@dataclass(frozen=True)
class Group:
    """Figures of one machine and program, which vote as one.

    Attributes:
        title: For people.
        rows: Names.
        error: Relative standard error of a figure beside what is varied.
        why: Where that comes from.
        guesses: How many of what the rows do not say.
    """

    title: str
    rows: tuple[str, ...]
    error: float
    why: str
    guesses: int


_GAIN = "gb200x4_dwdp_mitigation_gain"
GROUPS = {
    "H20": Group(
        "8 × H20: every rank pulls from 0, 1, …, 7 with single copies of 16, 32 or 64 MiB",
        tuple(f"h20x8_all_gather_pull_ascending_{size}mib" for size in (16, 32, 64)),
        0.03,
        "not published, so 3 %; the three sizes scatter by 0.9 %",
        16,
    ),
    "layer": Group(
        "4 × GB200: a layer's pulls in DWDP with default copies, ranks running free",
        ("gb200x4_dwdp_default_peer_copy_layer",),
        0.06,
        "two tables of the source differ by 6 % for the same run",
        8,
    ),
    "pushes": Group(
        "64 × GB200 or GB300: every rank pushes to rank + 1, rank + 2, …, in one batch or in eights behind barriers",
        tuple(f"{gpu}x64_all_gather_push_{calls}_slope" for gpu in ("gb200", "gb300") for calls in ("batch", "waves")),
        0.033,
        "the four figures scatter by so much",
        6,
    ),
    "gain": Group(
        "4 × GB200: forward steps in DWDP with batched over default copies",
        tuple(f"{_GAIN}_{case}" for case in STEPS),
        0.06,
        "as for the layer",
        4,
    ),
}


def chosen() -> list[Hypothesis]:
    """All hypotheses of a machine of which nothing is measured, and those that are in no range."""
    job = _steps("default", 0.5, LAYER_EVERY_S)
    return [*hypotheses(job.cluster, job.options), *EXCLUDED, ARTEFACT_AS_LOSS]


def predictions(name: str, guesses: int, among: Sequence[Hypothesis]) -> dict[str, list[float]]:
    """The figure `name` under each hypothesis, one prediction a guess."""
    rows = read_rows()
    found: dict[str, list[float]] = {hypothesis.name: [] for hypothesis in among}
    for number in range(guesses):
        one = _gain if rows[name]["unit"] == "1" else _figure
        for hypothesis, value in one(rows[name], Unknown(number), rows, among).items():
            found[hypothesis].append(value)
    return found


def log_likelihoods(group: Group, predicted: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """The logarithm of a group's likelihood under each hypothesis, up to a constant of the group.

    Args:
        group: Its rows and their error.
        predicted: For each row and hypothesis the predictions, one a guess.
    """
    rows = read_rows()
    found = {}
    for hypothesis in predicted[group.rows[0]]:
        votes = np.zeros(group.guesses)
        for name in group.rows:
            off = np.log(rows[name]["value"] / np.array(predicted[name][hypothesis])) / group.error
            votes -= (FREEDOM + 1) / 2 * np.log1p(off**2 / FREEDOM) / len(group.rows)
        found[hypothesis] = float(np.log(np.exp(votes - votes.max()).mean()) + votes.max())
    return found


def readers_cost(factor: float) -> Hypothesis:
    """A source that gives `factor` of its rate to three readers or more, half of that loss with two."""
    values = ((1 + factor) / 2, factor, factor)
    both = tuple((n, (("pull", v), ("push", v))) for n, v in zip(INCAST, values, strict=True))
    return Hypothesis(f"{factor:.2f}", constants=both)


def weigh(key: str, among: Sequence[Hypothesis]) -> Iterator[dict[str, Any]]:
    """The lines of the data about one group: predictions of its rows, then likelihoods."""
    group, rows = GROUPS[key], read_rows()
    predicted = {name: predictions(name, group.guesses, among) for name in group.rows}
    for name in group.rows:
        for hypothesis, values in predicted[name].items():
            yield {
                "kind": "figure",
                "group": key,
                "row": name,
                "hypothesis": hypothesis,
                "predicted": _short(float(np.mean(values))),
                "spread": _short(float(np.std(values))),
                "published": rows[name]["value"],
                "unit": rows[name]["unit"],
            }
    for hypothesis, value in log_likelihoods(group, predicted).items():
        yield {"kind": "likelihood", "group": key, "hypothesis": hypothesis, "log_likelihood": _short(value)}


def weigh_readers(key: str) -> Iterator[dict[str, Any]]:
    """Likelihoods of each factor of a source with several readers, for several errors of a figure."""
    group, among = GROUPS[key], [readers_cost(factor) for factor in FACTORS]
    predicted = {name: predictions(name, group.guesses, among) for name in group.rows}
    for error in ERRORS:
        for factor, value in log_likelihoods(replace(group, error=error), predicted).items():
            line = {"group": key, "error": error, "factor": float(factor), "log_likelihood": _short(value)}
            yield {"kind": "readers", **line}


def controls() -> Iterator[dict[str, Any]]:
    """Usable rows on which no hypothesis has a say: rates of single pairs, bounds, and two engines on one link."""
    weighed = {name for group in GROUPS.values() for name in group.rows}
    for name, row in read_rows().items():
        if row["usable"] and name not in weighed:
            for hypothesis, (predicted,) in predictions(name, 1, [AS_CONFIGURED, FIFO]).items():
                yield {
                    "kind": "control",
                    "row": name,
                    "hypothesis": hypothesis,
                    "predicted": _short(predicted),
                    "published": row["value"],
                    "relation": row["relation"],
                    "unit": row["unit"],
                }


def _figure(row: Row, unknown: Unknown, rows: Mapping[str, Row], among: Sequence[Hypothesis]) -> dict[str, float]:
    """The figure under each hypothesis for one guess; what a program cannot tell apart is simulated once."""
    replay = replay_of(row, unknown, rows)
    options = _steps("default", 0.5, LAYER_EVERY_S).options
    found: dict[str, float] = {}
    for machine in variants(among, replay.programs[0], replay.cluster, options):
        runs = [simulate(p, machine.constants, machine.options, seed=unknown.number) for p in replay.programs]
        found |= dict.fromkeys(machine.hypotheses, replay.value(runs))
    return found


def _gain(row: Row, unknown: Unknown, rows: Mapping[str, Row], among: Sequence[Hypothesis]) -> dict[str, float]:
    """Time of a forward step with default copies ÷ with batched ones, under each hypothesis, for one guess."""
    ratio, tokens = next(step for case, step in STEPS.items() if row["name"].endswith(case))
    window_s = LAYER_EVERY_S * tokens / STEP_TOKENS * unknown.within(2, *WINDOW)
    taken_s: dict[str, dict[str, float]] = {"default": {}, "batched": {}}
    for strategy in taken_s:
        job = _steps(strategy, ratio, window_s)
        plan, scenario = job.coarse.plan, replace(job.scenario, program=job.coarse.program)
        cluster = drawn_both_ways(job.cluster, unknown)
        for machine in variants(among, scenario.program, cluster, job.options):
            steps = replace(scenario, constants=coarse_constants(machine.constants, plan), options=machine.options)
            step_s = replicate(steps, unknown.number).figures["iteration_s"]
            taken_s[strategy] |= dict.fromkeys(machine.hypotheses, step_s)
    return {name: taken_s["default"][name] / batched_s for name, batched_s in taken_s["batched"].items()}


@cache
def _steps(strategy: str, ratio: float, window_s: float) -> StepsJob:
    """Forward steps of DeepSeek-R1 on four GPUs of a GB200 NVL72 at ISL 8K, up to 16,384 tokens; slices of 1 MiB."""
    values: dict[str, Any] = {
        "compute.window_s": window_s,
        "compute.by_tokens": True,
        "workload.ratio": ratio,
        "workload.max_num_tokens": 16384,
        "workload.iterations": 2,
        "workload.warmup": 1,
    }
    if strategy == "batched":
        values["strategy.slice_bytes"] = "1MiB"
    return build_steps_job(resolve(preset(values, workload="iteration", strategy=strategy, compute="constant")))


def _short(value: float) -> float:
    """Six digits: more differ from one machine's arithmetic to the next."""
    return float(f"{value:.6g}") if math.isfinite(value) else value


def measure() -> Iterator[dict[str, Any]]:
    """Everything, line by line."""
    among = chosen()
    for key, group in GROUPS.items():
        yield {"kind": "group", "group": key, "title": group.title, "error": group.error, "why": group.why}
    yield from controls()
    for key in GROUPS:
        yield from weigh(key, among)
    for key in ("H20", "layer"):
        yield from weigh_readers(key)


def main() -> None:
    """Weigh, write, and draw the tables."""
    if "--write" not in sys.argv[1:]:
        lines, seen = [], ""
        for line in measure():
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
            now = f"{line['kind']} {line.get('row', line.get('group'))}"
            if now != seen:
                print(f"{len(lines):5} lines: {now}", flush=True)
            seen = now
        write_whole(DATA, lambda path: path.write_text("".join(lines), encoding="utf-8"))
    write_page(DATA)


if __name__ == "__main__":
    main()
