"""How small a change a number of rounds finds (docs/data/rounds.json), and the noise that recorded rows show."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from rows import ROOT
from wording import cells, percent, percents

from dwdp_hw.calibration.relative_costs import logs_of_machine
from dwdp_hw.rows.recording import read_recording
from dwdp_hw.validation.recorded_noise import Noise, recorded_noise

_ROUNDS = 3
_PROMISED = 0.02  # smallest change that is to be found
_MORE = 8 / 256  # slices of the planted batch (benchmarks/relative_costs.py)

Line = dict[str, Any]


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    content = json.loads((ROOT / "docs/data/rounds.json").read_text(encoding="utf-8"))
    lines: list[Line] = [line for line in content["lines"] if line["rounds"] == _ROUNDS]
    (nothing,) = (line for line in lines if line["planted"] == "nothing")
    noise = {(each.gpu.split()[1].lower(), each.link): each for each in recorded_noise()}
    return {
        "rate": _found(lines, "rate"),
        "gap": _found(lines, "gap"),
        "host": _found(lines, "host cost"),
        "false": _found(lines, "nothing"),
        "stretch": _found(lines, "slow stretch"),
        "agrees": percent(nothing["agrees"] / nothing["repeats"], 0),
        "single_2": _share(lines, 0.02),
        "single_5": _share(lines, 0.05),
        **_relative(),
        "noise_h200_peer": _noise(noise["h200", "peer"]),
        "noise_h100_host": _noise(noise["h100", "host"]),
    }


def _found(lines: Sequence[Line], what: str) -> str:
    """The shares of repeats in which something was found, over the promised sizes of the change."""
    own = [line for line in lines if line["planted"] == what and (what == "nothing" or line["change"] >= _PROMISED)]
    return percents((line["found"] / line["repeats"] for line in own), 1)


def _share(lines: Sequence[Line], change: float) -> str:
    """The share of repeats in which such a change of the cost of single copies alone was found."""
    (line,) = (line for line in lines if line["planted"] == "single copies" and line["change"] == change)
    return percent(line["found"] / line["repeats"], 0)


def _relative() -> dict[str, str]:
    """What recorded processes show of costs beside the yardstick, and of a batch with one slice in 32 more."""
    costs = read_recording(str(ROOT / "measurements/h200_x1_relative_costs.json")).relative
    logs = {one.case: logs_of_machine(one) for one in costs}
    planted = math.log(1 + _MORE) + float(logs["relative_batch_more"].mean() - logs["relative_batch"].mean())
    scatter = {way: percent(float(logs[f"relative_{way}"].std(ddof=1)), 1) for way in ("async", "batch")}
    return {
        "relative_processes": str(len(costs[0].cost_s)),
        "relative_left_out": " and ".join(str(len(one.cost_s) - len(logs[one.case])) for one in costs[:2]),
        "relative_scatter_slices": scatter["batch"],
        "relative_scatter_single": scatter["async"],
        "relative_slices": f"{math.exp(float(logs['relative_batch'].mean())):.2f}",
        "relative_more": percent(_MORE, 1),
        "relative_more_found": percent(math.expm1(planted), 1),
    }


def _noise(noise: Noise) -> str:
    figures = (percent(noise.sigma, 2), str(noise.far), percent(noise.doubt, 0))
    return cells(str(noise.cases), str(noise.repeats), *figures)
