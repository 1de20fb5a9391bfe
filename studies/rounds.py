"""How many rounds find how small a change of a machine: planted changes, and the noise of recorded rows.

A machine changes its rate, all its gaps or its host's costs by 2, 3 or 5 %. It is calibrated before and after, and its
layers are validated with the constants from before, each in so many rounds. What a round measures is the recorded time,
moved as far as recorded measurements of the same case lie apart (between rounds) and the median of as many runs as were
recorded, drawn anew (within a round). Costs beside the yardstick are those of recorded processes, twelve in each
calibration and none in both. A change is found where the validation disagrees or a constant of the second calibration
has moved (`dwdp_hw/calibration/moved.py`); with nothing planted, that is a false alarm.

The fit is the calibration's own problem on its rows, linear around the constants. Run: python studies/rounds.py (some
minutes), which writes docs/data/rounds.json and draws docs/images/rounds.png from it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from recorded_rounds import ROOT, Bank, Random

from dwdp_hw.calibration.calibrate import rows_used
from dwdp_hw.calibration.fit import Estimate
from dwdp_hw.calibration.moved import moved_between
from dwdp_hw.calibration.observations import HOST_SIGMA, relative_noise
from dwdp_hw.calibration.problem import Problem
from dwdp_hw.calibration.relative_costs import relative_estimates
from dwdp_hw.rows.host_costs import HOST_COSTS, SINGLE_COSTS, measured_host_s
from dwdp_hw.rows.predict import predict_mean_s
from dwdp_hw.rows.recording import Recording, read_recording
from dwdp_hw.rows.relative_costs import RelativeCosts
from dwdp_hw.rows.stability import why_apart
from dwdp_hw.validation.bars import Bars
from dwdp_hw.validation.comparison import QUEUED, ValidationRow, deviation_between
from dwdp_hw.validation.noise import with_noise
from dwdp_hw.validation.validate import validate
from dwdp_hw.validation.verdict import AGREES, DISAGREES, judge, verdict_of
from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.results.palette import BLUE, GREEN, GREY, VERMILLION

DATA, PICTURE = ROOT / "docs/data/rounds.json", ROOT / "docs/images/rounds.png"
CHANGES = (0.005, 0.01, 0.02, 0.03, 0.05)
PROMISED = (0.02, 0.03, 0.05)  # found, but for the cost of single copies alone
SLOW = 0.1  # of a stretch of time in which a shared link is slower
POWER, MOST_FALSE = 0.95, 0.02  # what is asked of three rounds
ROUNDS = (3, 5, 9)
REPEATS = 300
OPTIONS = FabricOptions()
_CALIBRATION = "h200_x2_calibration_1"
_VALIDATIONS = tuple(f"h200_x2_validation_{number}" for number in (1, 2, 3, 4))
_REPEATED = ("h200_x2_ordered", "h200_x2_random", "h200_x2_random_again", "h200_x2_calibration_2")
_RATES = ("egress_bytes_per_s", "ingress_bytes_per_s", "pair_bytes_per_s")
_RELATIVE = "h200_x1_relative_costs"
_PROCESSES = 12  # that measure relative costs in a calibration
_95 = 1.96


def _rate(cluster: Cluster, change: float) -> Cluster:
    return cluster.with_values({name: cluster.number(name) * (1 + change) for name in _RATES})


def _gap(cluster: Cluster, change: float) -> Cluster:
    table = [[size, gap * (1 + change)] for size, gap in cluster.gap_table("peer_gap_s")]
    return cluster.with_values({"peer_gap_s": table})


def _host(cluster: Cluster, change: float) -> Cluster:
    return cluster.with_values({name: cluster.number(name) * (1 + change) for name in HOST_COSTS})


def _single(cluster: Cluster, change: float) -> Cluster:
    return cluster.with_values({name: cluster.number(name) * (1 + change) for name in SINGLE_COSTS})


PLANTED: Mapping[str, Callable[[Cluster, float], Cluster]] = {
    "rate": _rate,
    "gap": _gap,
    "host cost": _host,
    "single copies": _single,
}
_WAYS = {"host cost": ("async", "batch"), "single copies": ("async",)}
"""Ways of issuing whose cost a planted change moves."""


class Calibrations:
    """Calibrations of a machine with the cluster's constants, or with changed ones, in so many rounds."""

    def __init__(self, bank: Bank, cluster: Cluster) -> None:
        rows = [
            row
            for row in rows_used(bank.recordings[_CALIBRATION], "all", cluster.mapping)
            if len(bank.measurements(row)) > 1
        ]
        self._cluster, self._problem = cluster, Problem(rows, cluster, OPTIONS)
        count = len(self._problem.observations.measured)
        self._start = self._problem.observations.predicted(cluster)
        jacobian = self._problem.start_jacobian
        self._slopes = jacobian[:count] * self._problem.observations.sigma[:, None]
        self._prior = jacobian[count:]
        self._device = [bank.noise(_CALIBRATION, row) for row in rows]
        self._host = [bank.host_noise(row) if measured_host_s(row) else None for row in rows]
        self._rows = rows

    def effect(self, changed: Cluster) -> Floats:
        """What a change does to the logarithm of every observation."""
        moved: Floats = self._problem.observations.predicted(changed) - self._start
        return moved

    def estimates(self, effect: Floats, rounds: int, random: Random) -> list[Estimate]:
        """The constants as one calibration of the changed machine finds them, with their intervals."""
        noise, sigma = self._observed(rounds, random)
        matrix = np.vstack([self._slopes / sigma[:, None], self._prior])
        wanted = np.append((effect + noise) / sigma, np.zeros(len(self._prior)))
        step = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
        left = (wanted - matrix @ step)[: len(sigma)][self._problem.observations.device]
        scale = max(1.0, float(np.sqrt(np.mean(np.square(left)))))
        errors = scale * np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)))
        at, low, high = (self._problem.values(1.0 + step + side * _95 * errors) for side in (0, -1, 1))
        ends = np.sort([low, high], axis=0)
        columns = zip(self._problem.determined, at, *ends, strict=True)
        return [Estimate(parameter, float(a), float(b), float(c)) for parameter, a, b, c in columns]

    def _observed(self, rounds: int, random: Random) -> tuple[Floats, Floats]:
        """Noise of every observation, and the noise that the calibration believes it to have."""
        noise: list[float] = []
        sigma: list[float] = []
        for row, device, host in zip(self._rows, self._device, self._host, strict=True):
            medians = device.medians(rounds, random)
            noise += np.median(medians, axis=0).tolist()
            times_s = np.array(row.median_s) * np.exp(medians)
            measured = replace(row, rounds_s=tuple(map(tuple, times_s.T.tolist())))
            sigma += [relative_noise(measured, stream) for stream in range(len(row.median_s))]
            if host is not None:
                noise += np.median(host[random.integers(len(host), size=rounds)], axis=0).tolist()
                sigma += [HOST_SIGMA] * host.shape[1]
        return np.array(noise), np.array(sigma)


class RelativeCostDraws:
    """Calibrations of what issuing costs beside the yardstick, by recorded processes of one machine."""

    def __init__(self) -> None:
        self._costs = read_recording(str(ROOT / f"measurements/{_RELATIVE}.json")).relative[:2]

    def pair(self, what: str, change: float, random: Random) -> list[tuple[Estimate, Estimate]]:
        """Two calibrations by twelve processes each, no process in both, the machine changed in between."""
        before, now = [], []
        for costs in self._costs:
            order = random.permutation(len(costs.cost_s))
            factor = 1 + change if costs.issue in _WAYS.get(what, ()) else 1.0
            before.append(_of_processes(costs, order[:_PROCESSES], 1.0))
            now.append(_of_processes(costs, order[_PROCESSES : 2 * _PROCESSES], factor))
        found = [relative_estimates([Recording("", "", {}, "", (), relative=tuple(own))]) for own in (before, now)]
        later = {estimate.parameter.name: estimate for estimate in found[1]}
        return [(one, later[one.parameter.name]) for one in found[0] if one.parameter.name in later]


def _of_processes(costs: RelativeCosts, chosen: Ints, factor: float) -> RelativeCosts:
    yardstick, cost = np.array(costs.yardstick_s)[chosen], factor * np.array(costs.cost_s)[chosen]
    return replace(costs, yardstick_s=tuple(yardstick.tolist()), cost_s=tuple(cost.tolist()))


class Validations:
    """Validations of a machine's layers with the cluster's constants, in so many rounds."""

    def __init__(self, bank: Bank, cluster: Cluster) -> None:
        self._recording: Recording = bank.recordings[_VALIDATIONS[0]]
        found = validate([self._recording], cluster, OPTIONS, set(), Bars())
        self._cases = {row.case: row for row in self._recording.rows if len(bank.measurements(row)) > 1}
        self._rows: dict[str, list[ValidationRow]] = {}
        for row in found.rows:
            self._rows.setdefault(row.case, []).append(row)
        self._noise = {name: bank.noise(_VALIDATIONS[0], row) for name, row in self._cases.items()}
        self._usual = {
            name: np.log([one.median_s for one in bank.measurements(row)]).mean(axis=0)
            for name, row in self._cases.items()
        }

    def effect(self, before: Cluster, changed: Cluster) -> dict[str, Floats]:
        """What a change does to the logarithm of each case's times, by stream."""
        return {
            name: np.log(predict_mean_s(row, changed, OPTIONS) / predict_mean_s(row, before, OPTIONS))
            for name, row in self._cases.items()
        }

    def verdict(self, effect: Mapping[str, Floats], rounds: int, random: Random, slow: float = 0.0) -> str:
        """The verdict on the changed machine.

        Args:
            effect: Of the change.
            rounds: Of the validation.
            random: Draws the noise.
            slow: By how much a quarter of the cases of one round are slower, in a stretch that no reference saw.
        """
        hit = set(random.permutation(list(self._cases))[: len(self._cases) // 4].tolist()) if slow else set()
        rows = []
        for name, noise in self._noise.items():
            logs = self._usual[name] + effect[name] + noise.medians(rounds, random)
            logs[0] += math.log1p(slow) if name in hit else 0.0
            times = np.exp(logs)
            for row, own in zip(self._rows[name], times.T.tolist(), strict=True):
                rows.append(_as_measured(row, own))
        rows = with_noise(rows, [self._recording])
        return verdict_of(judge(rows, Bars()), rows)


def _as_measured(row: ValidationRow, medians_s: list[float]) -> ValidationRow:
    """The row with the medians of these rounds."""
    measured_s = float(np.median(medians_s))
    apart = why_apart(medians_s, queued=row.mode == QUEUED)
    return replace(
        row,
        measured_s=measured_s,
        error=row.predicted_s / measured_s - 1,
        stable=row.stable and not apart,
        counts=row.stable and not apart,
        rounds=len(medians_s),
        between=deviation_between(medians_s, row.predicted_low_s, row.predicted_high_s),
    )


def study(
    repeats: int = REPEATS, rounds: Sequence[int] = ROUNDS, changes: Sequence[float] = CHANGES
) -> list[dict[str, Any]]:
    """One line for each planted change and number of rounds: in how many repeats it was found, and how."""
    cluster = read_cluster("h200_x2")
    bank = Bank((_CALIBRATION, *_VALIDATIONS, *_REPEATED))
    calibrations, validations = Calibrations(bank, cluster), Validations(bank, cluster)
    relative = RelativeCostDraws()
    settings = [("nothing", 0.0, 0.0), ("slow stretch", 0.0, SLOW)]
    settings += [(what, change, 0.0) for what in PLANTED for change in changes]
    lines = []
    for what, change, slow in settings:
        changed = PLANTED[what](cluster, change) if what in PLANTED else cluster
        observed, layers = calibrations.effect(changed), validations.effect(cluster, changed)
        for number in rounds:
            random = np.random.default_rng([number, round(1000 * change), len(what)])
            moved = disagreed = found = told = 0
            for _ in range(repeats):
                sign = random.choice((-1, 1))  # such small changes are as large downwards
                before = calibrations.estimates(np.zeros(len(observed)), number, random)
                now = calibrations.estimates(sign * observed, number, random)
                pairs = [*zip(before, now, strict=True), *relative.pair(what, sign * change, random)]
                verdict = validations.verdict({case: sign * own for case, own in layers.items()}, number, random, slow)
                has_moved = bool(moved_between(pairs))
                moved, disagreed = moved + has_moved, disagreed + (verdict == DISAGREES)
                found, told = found + (has_moved or verdict == DISAGREES), told + (verdict == AGREES)
            lines.append({
                "planted": what, "change": change or slow, "rounds": number, "repeats": repeats,
                "found": found, "moved": moved, "disagrees": disagreed, "agrees": told,
            })  # fmt: skip
    return lines


def draw(lines: Sequence[Mapping[str, Any]]) -> Figure:
    """The share of repeats in which a change was found, by its size, for each number of rounds."""
    figure = Figure(figsize=(6.2, 3.4), layout="constrained")  # so narrow that text can be read on a phone
    axes = figure.subplots(1, len(PLANTED), sharey=True)
    for axis, what in zip(axes, PLANTED, strict=True):
        for number, colour, marker in zip(ROUNDS, (VERMILLION, BLUE, GREEN), "os^", strict=True):
            own = [line for line in lines if line["planted"] in (what, "nothing") and line["rounds"] == number]
            own.sort(key=lambda line: float(line["change"]))
            shares = [100 * line["found"] / line["repeats"] for line in own]
            axis.plot(
                [100 * line["change"] for line in own], shares, marker + "-", color=colour, label=f"{number} rounds"
            )
        axis.axhline(100 * POWER, color=GREY, linewidth=0.8, linestyle=":")
        axis.set_title(what)
        axis.tick_params(labelsize=10.5)
    figure.supxlabel("planted change (%)", fontsize=10.5)
    axes[0].set_ylabel("found (% of repeats)", fontsize=10.5)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(ROUNDS), fontsize=10.5)
    return figure


def main() -> None:
    """Write the data and the picture."""
    lines = study()
    text = json_rows({"lines": lines})
    write_whole(DATA, lambda path: path.write_text(text, encoding="utf-8"))
    write_whole(PICTURE, lambda path: draw(lines).savefig(path, dpi=150, format="png"))
    for line in lines:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
