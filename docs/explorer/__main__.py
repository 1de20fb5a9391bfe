"""Compute the explorer's grid, docs/data/explorer.json: the set-ups that it does not have yet.

Run: python -m docs.explorer [MODEL …]; a quarter of an hour on two cores for all of them, of which Kimi-K2 takes most.
Each set-up is written as soon as it is there, and a run that was stopped goes on from there. With names of models,
those alone are computed, anew: after their kernels, constants or the simulator have changed.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import Any

from docs.explorer.answers import COLUMNS, answers_of
from docs.explorer.choices import (
    HYPOTHESES,
    LONGEST_INPUT,
    MACHINES,
    MODELS,
    RANKS,
    SEEDS,
    SLICES,
    SMALLEST_OF_EIGHT,
    TOKENS,
    Setup,
    setups,
)
from docs.explorer.data import DATA, read
from docs.explorer.excerpt import LAYERS
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.cores import usable_cores
from dwdp_sim.base.endings import run_command
from dwdp_sim.base.errors import check_choice
from dwdp_sim.base.terminal import TextConsole, progress_line, say
from dwdp_sim.fabric.engine_choice import takes_many_compiled
from dwdp_sim.fabric.workers import workers


def main() -> None:
    """Compute what is missing, or the models that are named."""
    named = sys.argv[1:]
    for model in named:
        check_choice("model", model, MODELS)
    console, known = TextConsole(), _known()
    asked = [setup for setup in setups() if (setup.model in named if named else setup not in known)]
    lacking = {setup: setup.lacking() for setup in asked}
    known |= {setup: {**vars(setup), "lacking": why} for setup, why in lacking.items() if why}
    for setup in [setup for setup in asked if not lacking[setup]]:
        began, name = time.monotonic(), f"{setup.model} on {setup.ranks} GPUs of {setup.machine}"
        with (
            progress_line(console, "states of the machine", elapsed=True) as show,
            workers(usable_cores(), threads=takes_many_compiled("auto")) as pool,
        ):
            known[setup] = answers_of(setup, pool, partial(show, name))
        write_whole(DATA, lambda path: path.write_text(written(known), encoding="utf-8"))
        say(console, f"{name}: {time.monotonic() - began:.0f} s")
    write_whole(DATA, lambda path: path.write_text(written(known), encoding="utf-8"))


def _known() -> dict[Setup, dict[str, Any]]:
    """Set-ups whose answers are there."""
    content = read()["setups"] if DATA.is_file() else []
    return {Setup(one["model"], one["machine"], one["ranks"]): one for one in content}


def written(known: dict[Setup, dict[str, Any]]) -> str:
    """The grid as text, a set-up on each line."""
    head = {
        "models": MODELS,
        "machines": MACHINES,
        "ranks": RANKS,
        "tokens": TOKENS,
        "longest_input": LONGEST_INPUT,
        "slices": list(SLICES.values()),
        "smallest_of_eight": SLICES[SMALLEST_OF_EIGHT],
        "hypotheses": HYPOTHESES,
        "seeds": len(SEEDS),
        "excerpt_layers": LAYERS,
        "columns": COLUMNS,
    }
    ordered = [known[setup] for setup in setups() if setup in known]
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in ordered)
    return f'{json.dumps(head)[:-1]}, "setups": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    run_command(main)
