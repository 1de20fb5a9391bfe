"""The same crossbar programs on SimGrid, an independent flow-level simulator with max-min sharing."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwdp_sim.fabric.options import FabricOptions
from tests.dwdp_sim.programs import ends, program, queue, run, single

PYTHON = "/usr/bin/python3"  # Debian's interpreter: its simgrid module loads in no other
LARGEST = 64 * 2**20
# Bytes per second. Slow enough that SimGrid's absolute time step of 1e-12 s is far below 1e-9 of one byte's time.
RATE = 1e6
PLAIN, UNEQUAL, CAPPED = "plain", "unequal", "capped"


def crossbar(seed: int, links: str) -> dict[str, Any]:
    """2 to 16 GPUs with one stream each of single copies, pulls and pushes mixed, 1 byte to 64 MiB."""
    draw = random.Random(f"{links} {seed}")
    gpus = 2 + seed % 15
    streams = []
    for gpu in range(gpus):
        copies = []
        for _ in range(draw.randint(0 if gpu else 1, 6)):
            peer = draw.choice([other for other in range(gpus) if other != gpu])
            size = draw.choice([1, LARGEST, 2**20, 2**20, round(LARGEST ** draw.random())])
            copies.append([*draw.choice([(peer, gpu), (gpu, peer)]), size])
        streams.append(copies)
    egress = RATE
    ingress = RATE if links != UNEQUAL else RATE * draw.uniform(0.5, 2.0)
    pair = max(egress, ingress) if links == PLAIN else min(egress, ingress) * draw.uniform(0.3, 1.1)
    return {"gpus": gpus, "egress": egress, "ingress": ingress, "pair": pair, "streams": streams}


CROSSBARS = [crossbar(seed, links) for links in (PLAIN, UNEQUAL, CAPPED) for seed in range(30)]


@pytest.fixture(scope="module")
def simgrid_s() -> list[list[float]]:
    """Completion of each stream of each crossbar as SimGrid has it."""
    has_simgrid = (
        Path(PYTHON).exists()
        and not subprocess.run([PYTHON, "-c", "import simgrid"], capture_output=True, check=False).returncode
    )
    if not has_simgrid:
        message = f"{PYTHON} has no simgrid module (Debian: python3-simgrid)"
        if os.environ.get("DWDP_REQUIRE_SIMGRID") == "1":
            pytest.fail(message)
        pytest.skip(message)
    script = Path(__file__).with_name("simgrid_crossbar.py")
    answer = subprocess.run(
        [PYTHON, str(script)], input=json.dumps(CROSSBARS), capture_output=True, text=True, check=True, timeout=300
    )
    # SimGrid logs its settings to standard output too: the answer is the last line.
    result: list[list[float]] = json.loads(answer.stdout.splitlines()[-1])
    return result


def ours_s(crossbar: dict[str, Any], engine: str) -> list[float]:
    queues = [
        queue(gpu, *(single(src, dst, size) for src, dst, size in copies))
        for gpu, copies in enumerate(crossbar["streams"])
    ]
    rates = {f"{name}_bytes_per_s": crossbar[name] for name in ("egress", "ingress", "pair")}
    return ends(run(program(*queues), FabricOptions(incast="off", both_ways=False), engine=engine, **rates))


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_every_stream_of_90_random_crossbars_completes_when_simgrid_says(
    engine: str, simgrid_s: list[list[float]]
) -> None:
    assert len(simgrid_s) == len(CROSSBARS) >= 50
    for crossbar, theirs in zip(CROSSBARS, simgrid_s, strict=True):
        np.testing.assert_allclose(ours_s(crossbar, engine), theirs, rtol=1e-9, atol=0.0)


def test_sharing_matters_in_those_crossbars(simgrid_s: list[list[float]]) -> None:
    """Most streams end later than their own bytes alone would take: the comparison is not of idle links."""
    slowed = total = 0
    for crossbar, theirs in zip(CROSSBARS, simgrid_s, strict=True):
        alone = min(crossbar[name] for name in ("egress", "ingress", "pair"))
        for copies, seconds in zip(crossbar["streams"], theirs, strict=True):
            total += bool(copies)
            slowed += seconds > sum(size for _, _, size in copies) / alone * 1.01
    assert slowed > total / 2
