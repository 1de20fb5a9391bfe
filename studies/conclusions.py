"""Which conclusions survive what nobody has measured: every sentence of the documentation under every hypothesis.

Strategies are compared over forward steps whose window is a multiple of the layer's uncontended prefetch, paired over
the same windows and starts, under each hypothesis of `dwdp_sim/fabric/hypotheses.py` and under two that measurements
exclude.
A sentence holds under a hypothesis if the 95 % interval of every gain that it speaks of lies where it says.

Run: python studies/conclusions.py [SUBJECT …]; adds what docs/data/conclusions.jsonl does not have yet (about an hour
on two cores). Then python studies/conclusions_page.py draws the table of docs/hypotheses.md.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dwdp_sim.advice.advice import possible_states
from dwdp_sim.advice.candidates import Candidate
from dwdp_sim.advice.trial import Baseline, Trial, Windows
from dwdp_sim.advice.trials import Trials
from dwdp_sim.advice.window_ratio import measure_load
from dwdp_sim.base.estimate import paired_gain
from dwdp_sim.fabric.engine_choice import takes_many_compiled
from dwdp_sim.fabric.hypotheses import ARTEFACT_AS_LOSS, EXCLUDED, Hypothesis
from dwdp_sim.fabric.workers import workers
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.plan.kinds import BATCHED, BATCHED_PER_ROUND, DEFAULT, RING
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.coarse_plan import COARSE_SLICES

ROWS = Path(__file__).resolve().parents[1] / "docs/data/conclusions.jsonl"
MIB = 2**20
VARIATION, BEFORE_SHARE = 0.1, 0.4  # of the ranks' steps; of a window before its experts are needed

STRATEGIES: Mapping[str, tuple[Strategy, bool]] = {
    "default": (Strategy(DEFAULT), False),
    "batched": (Strategy(BATCHED, slice_bytes=2 * MIB), False),
    "batched 256 KiB": (Strategy(BATCHED, slice_bytes=MIB // 4), False),
    "batched 8 MiB": (Strategy(BATCHED, slice_bytes=8 * MIB), False),
    "batched 32 MiB": (Strategy(BATCHED, slice_bytes=32 * MIB), False),
    "batched, no rotation": (Strategy(BATCHED, implementation="trtllm_vmm", slice_bytes=2 * MIB), False),
    "ring": (Strategy(RING), False),
    "paced rounds": (Strategy(BATCHED_PER_ROUND, slice_bytes=None, barrier="group"), False),
    "batched + carry over": (Strategy(BATCHED, slice_bytes=2 * MIB), True),
}


@dataclass(frozen=True)
class Subject:
    """A model on a machine, and what is compared there.

    Attributes:
        model, cluster: Of the configuration.
        ranks: N.
        layers: MoE layers of a step.
        seeds: Of windows and starts.
        ratios: Windows ÷ uncontended prefetch.
        compared: Strategies, each with the one that it is compared with.
    """

    model: str
    cluster: str
    ranks: int
    layers: int
    seeds: int
    ratios: tuple[float, ...]
    compared: tuple[tuple[str, str], ...]


_BOTH = (("batched", "default"),)
_SIZES = tuple((f"batched {size}", "batched") for size in ("256 KiB", "8 MiB", "32 MiB"))
_ORDERS = (("batched, no rotation", "batched"), ("ring", "default"))
_PACED = (("paced rounds", "batched"),)
_CARRY = (("batched + carry over", "batched"),)
_SOME = (0.8, 1.3, 1.7, 2.5)
SUBJECTS = {
    "R1 N=4": Subject("deepseek_r1_nvfp4", "gb200_nvl72", 4, 58, 6, _SOME, _BOTH),
    "R1 N=4, 8 layers": Subject(
        "deepseek_r1_nvfp4", "gb200_nvl72", 4, 8, 6, (0.8, 1.3, 1.7, 2.5, 3.5), _SIZES + _ORDERS + _PACED
    ),
    "gpt-oss N=4": Subject("gpt_oss_120b_mxfp4", "dgx_b200", 4, 36, 3, _SOME, _BOTH + _CARRY),
    "R1 N=3": Subject("deepseek_r1_nvfp4", "gb200_nvl72", 3, 58, 6, (0.8, 1.7), _BOTH),
    "R1 N=8, 6 layers": Subject("deepseek_r1_nvfp4", "gb200_nvl72", 8, 6, 3, (0.8,), _BOTH + _PACED),
}
"""What happens once a step, at its first layers, weighs too much in steps of a few layers: whether batching pays is
asked of whole models, the rest of short steps, whose layers drift in the same way."""


@dataclass(frozen=True)
class Row:
    """One gain: how much less time a step takes, as a share, mean and half of its 95 % interval."""

    subject: str
    ratio: float
    strategy: str
    over: str
    hypothesis: str
    gain: float
    half_width: float


@dataclass(frozen=True)
class Sentence:
    """A sentence of the documentation, and the gains of which it speaks.

    Attributes:
        text: As a reader finds it.
        strategies: Of the gains.
        ratios: Lowest and highest window ÷ prefetch.
        low, high: Where the gains lie if it is true.
        subjects: Of the gains; all when empty.
        somewhere: Whether one of the gains is enough.
    """

    text: str
    strategies: tuple[str, ...]
    ratios: tuple[float, float]
    low: float = -math.inf
    high: float = math.inf
    subjects: tuple[str, ...] = ()
    somewhere: bool = False


BATCHED = ("batched",)
ANY = (0.0, 9.0)
_R1 = ("R1 N=4",)
SENTENCES = (
    Sentence(
        "With host time hidden, batched copies lose no more than 1 % to the default ones.", BATCHED, ANY, low=-0.01
    ),
    Sentence("At 2.5 × the prefetch the two differ by less than 1 %.", BATCHED, (2.5, 2.5), -0.01, 0.01),
    Sentence("At 0.8 × batching gains 1 % or more.", BATCHED, (0.8, 0.8), low=0.01),
    Sentence("At 0.8 × batching gains 10 % or more.", BATCHED, (0.8, 0.8), low=0.10),
    Sentence("At 1.3 × batching gains 1 % or more (DeepSeek-R1, N = 4).", BATCHED, (1.3, 1.3), 0.01, math.inf, _R1),
    Sentence("At 1.7 × batching gains 1 % or more (DeepSeek-R1, N = 4).", BATCHED, (1.7, 1.7), 0.01, math.inf, _R1),
    Sentence("Slices of 256 KiB lose nothing against 2 MiB (1 %).", ("batched 256 KiB",), ANY, low=-0.01),
    Sentence("Slices of 256 KiB gain 5 % or more at 0.8 ×.", ("batched 256 KiB",), (0.8, 0.8), low=0.05),
    Sentence("Slices of 8 MiB lose nothing against 2 MiB (1 %).", ("batched 8 MiB",), ANY, low=-0.01),
    Sentence("Slices of 32 MiB lose nothing against 2 MiB (1 %).", ("batched 32 MiB",), ANY, low=-0.01),
    Sentence("Batches without rotation are no more than 1 % slower.", ("batched, no rotation",), ANY, low=-0.01),
    Sentence("A rotated default order (ring) gains 1 % or more at 0.8 ×.", ("ring",), (0.8, 0.8), low=0.01),
    Sentence("Paced rounds gain 1 % or more over batches at 0.8 ×.", ("paced rounds",), (0.8, 0.8), low=0.01),
    Sentence("Paced rounds lose no more than 5 % to batches at 0.8 ×.", ("paced rounds",), (0.8, 0.8), low=-0.05),
    Sentence("Paced rounds lose 3 % or more from 1.7 × on.", ("paced rounds",), (1.7, 9.0), high=-0.03),
    Sentence("Carry over loses nothing (0.5 %).", ("batched + carry over",), ANY, low=-0.005),
    Sentence(
        "Carry over gains 0.5 % or more at 1.3 × without dense layers.", ("batched + carry over",), (1.3, 1.3), 0.005
    ),
)


def read_rows(path: Path = ROWS) -> list[Row]:
    """The gains that have been simulated."""
    if not path.is_file():
        return []
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def status(sentence: Sentence, rows: Sequence[Row], hypothesis: str) -> str:
    """Whether a sentence holds under a hypothesis: `holds`, `fails`, `open` (intervals decide neither), or empty."""
    verdicts = [
        "holds" if sentence.low <= row.gain - row.half_width and row.gain + row.half_width <= sentence.high
        else "fails" if row.gain + row.half_width < sentence.low or row.gain - row.half_width > sentence.high
        else "open"
        for row in spoken_of(sentence, rows)
        if row.hypothesis == hypothesis
    ]  # fmt: skip
    if not verdicts:
        return ""
    best, worst = ("holds", "fails") if sentence.somewhere else ("fails", "holds")
    return best if best in verdicts else worst if set(verdicts) == {worst} else "open"


def spoken_of(sentence: Sentence, rows: Sequence[Row]) -> list[Row]:
    """The gains of which a sentence speaks."""
    low, high = sentence.ratios
    return [
        row
        for row in rows
        if row.strategy in sentence.strategies
        and low <= row.ratio <= high
        and (not sentence.subjects or row.subject in sentence.subjects)
    ]


def baseline_of(subject: Subject) -> Baseline:
    """The configuration of a subject."""
    values = {"dwdp.dwdp_size": subject.ranks, "compute.window_s": 1.0, "compute.before_share": BEFORE_SHARE}
    values |= {"workload.warmup": 1, "workload.iterations": 1}
    groups = {"model": subject.model, "cluster": subject.cluster, "compute": "constant"}
    config = preset(values, workload="iteration", strategy="default", **groups)
    return Baseline.of(build_steps_job(resolve(config)))


def measure(name: str, subject: Subject, known: Sequence[Row], pool: Any) -> Iterator[Row]:
    """The gains of one subject that are not known yet, ratio by ratio."""
    baseline, seeds = baseline_of(subject), range(subject.seeds)
    current = Candidate(Strategy(DEFAULT))
    load = measure_load(baseline, current.strategy, [0])
    hypotheses = [*possible_states(baseline, current), *EXCLUDED, ARTEFACT_AS_LOSS]
    done = {(row.ratio, row.strategy, row.hypothesis) for row in known if row.subject == name}
    for ratio in subject.ratios:
        windows = Windows(ratio * load.prefetch_s, BEFORE_SHARE, VARIATION)

        wanted = [
            (strategy, over, hypothesis)
            for strategy, over in subject.compared
            for hypothesis in hypotheses
            if (ratio, strategy, hypothesis.name) not in done
        ]
        trials = {(each, h): _trial(each, h, windows, subject.layers) for s, over, h in wanted for each in (s, over)}
        began = time.monotonic()
        runner = Trials(baseline, pool, partial(_progress, f"{name}, {ratio:g} ×"))
        runner.run({trial: seeds for trial in trials.values()})
        for strategy, over, hypothesis in wanted:
            gain = paired_gain(*(runner.times(trials[each, hypothesis], seeds) for each in (strategy, over)))
            yield Row(name, ratio, strategy, over, hypothesis.name, round(gain.mean, 5), round(gain.half_width, 5))
        if wanted:
            print(f"\r{name}, {ratio:g} ×: {time.monotonic() - began:.0f} s          ", file=sys.stderr)


def _trial(strategy: str, hypothesis: Hypothesis, windows: Windows, layers: int) -> Trial:
    candidate = Candidate(*STRATEGIES[strategy])
    return Trial(candidate.strategy, candidate.carry_over, hypothesis, layers, windows=windows, slices=COARSE_SLICES)


def _progress(part: str, done: int, of: int) -> None:
    print(f"\r{part}: {done} of {of} runs", end="", file=sys.stderr)


def main() -> None:
    """Measure what is missing."""
    known = read_rows()
    names = sys.argv[1:] or list(SUBJECTS)
    pools = workers(os.cpu_count() or 1, threads=takes_many_compiled("auto"))
    with pools as pool, ROWS.open("a", encoding="utf-8") as lines:
        for name in names:
            for row in measure(name, SUBJECTS[name], known, pool):
                lines.write(json.dumps(asdict(row)) + "\n")
                lines.flush()


if __name__ == "__main__":
    main()
