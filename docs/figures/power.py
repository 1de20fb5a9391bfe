"""How small a change a number of rounds finds (docs/data/rounds.json), and the noise that recorded rows show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rows import ROOT
from wording import cells, percent, percents

from dwdp_hw.validation.recorded_noise import Noise, recorded_noise

_ROUNDS = 3
_PROMISED = 0.02  # smallest change that is to be found

Line = dict[str, Any]


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    content = json.loads((ROOT / "docs/data/rounds.json").read_text(encoding="utf-8"))
    lines: list[Line] = [line for line in content["lines"] if line["rounds"] == _ROUNDS]
    seconds = {line["change"]: f"{line['seconds']:.0f} s" for line in content["paired_host"]}
    (nothing,) = (line for line in lines if line["planted"] == "nothing")
    noise = {(each.gpu.split()[1].lower(), each.link): each for each in recorded_noise()}
    return {
        "rate": _found(lines, "rate"),
        "gap": _found(lines, "gap"),
        "host": _found(lines, "host cost"),
        "false": _found(lines, "nothing"),
        "stretch": _found(lines, "slow stretch"),
        "agrees": percent(nothing["agrees"] / nothing["repeats"], 0),
        "paired_5": seconds[0.05],
        "paired_2": seconds[0.02],
        "noise_h200_peer": _noise(noise["h200", "peer"]),
        "noise_h100_host": _noise(noise["h100", "host"]),
    }


def _found(lines: Sequence[Line], what: str) -> str:
    """The shares of repeats in which something was found, over the promised sizes of the change."""
    own = [line for line in lines if line["planted"] == what and (what == "nothing" or line["change"] >= _PROMISED)]
    return percents((line["found"] / line["repeats"] for line in own), 1)


def _noise(noise: Noise) -> str:
    figures = (percent(noise.sigma, 2), str(noise.far), percent(noise.doubt, 0))
    return cells(str(noise.cases), str(noise.repeats), *figures)
