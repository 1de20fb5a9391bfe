"""What the simulator expects of cases, to be written down before a machine runs them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dwdp_hw.campaign import one_gpu_cases, peer_cases
from dwdp_hw.case import Case
from dwdp_hw.case_program import case_program
from dwdp_hw.incast import incast_cases
from dwdp_hw.unmeasured import ALL_RULES, Rules, told_apart
from dwdp_sim.build import read_cluster
from dwdp_sim.cluster import Cluster
from dwdp_sim.fabric_constants import constants_for
from dwdp_sim.files import write_whole
from dwdp_sim.options import FabricOptions
from dwdp_sim.program import Program
from dwdp_sim.simulate import simulate
from dwdp_sim.steps import Pace, simulate_steps
from dwdp_sim.windows import StepWindows

_ONE_STEP = Pace(goes_on=False)


def expected_s(case: Case, cluster: Cluster, options: FabricOptions) -> list[float]:
    """Seconds that each pulling rank should need: for one layer, or for a pipeline's step.

    Raises:
        ConfigError: The cluster lacks a constant that the case needs.
    """
    return _expected_s(case, case_program(case), cluster, options)


def expected_by_rule(case: Case, cluster: Cluster, options: FabricOptions) -> dict[Rules, list[float]]:
    """The same under each of `ALL_RULES`; rules that this case cannot tell apart share one simulation."""
    program = case_program(case)
    known: dict[Rules, list[float]] = {}
    found = {}
    for rules in ALL_RULES:
        alike = told_apart(rules, program)
        if alike not in known:
            known[alike] = _expected_s(case, program, alike.cluster(cluster), alike.options(options))
        found[rules] = known[alike]
    return found


def _expected_s(case: Case, program: Program, cluster: Cluster, options: FabricOptions) -> list[float]:
    constants = constants_for(cluster, program, options, in_steps=case.pipeline is not None)
    if case.pipeline is None:
        return [float(elapsed_s) for elapsed_s in simulate(program, constants, options).stream_elapsed_s]
    moe_s = np.array([[case.pipeline.windows_s(rank, case.layers)] for rank in case.ranks])
    nothing = np.zeros(moe_s.shape[:2])
    windows = StepWindows(nothing, np.zeros_like(moe_s), moe_s, nothing.astype(np.int64))
    steps = simulate_steps(program, windows, constants, options, _ONE_STEP)
    return [float(end_s) for end_s in steps.step_end_s[:, 0]]


def _campaign(cluster: Cluster) -> list[dict[str, Any]]:
    cases = peer_cases(cluster.num_gpus) if cluster.num_gpus > 1 else one_gpu_cases()
    return [
        {"case": case.name, "expected_us": _us(expected_s(case, cluster, FabricOptions()))}
        for case in cases
        if case.measure == "layer" and case.home in ("peer", cluster.home)
    ]


def _incast(cluster: Cluster, gpus: int) -> list[dict[str, Any]]:
    """Of each case and rank: under the cluster's own rules, and the lowest and highest under any."""
    rows = []
    for case in (case for block in incast_cases(gpus) for case in block):
        possible = np.array(list(expected_by_rule(case, cluster, FabricOptions()).values()))
        expected = expected_s(case, cluster, FabricOptions())
        low, high = possible.min(axis=0).tolist(), possible.max(axis=0).tolist()
        rows.append({"case": case.name, "expected_us": _us(expected), "low_us": _us(low), "high_us": _us(high)})
    return rows


def _us(seconds: Sequence[float]) -> list[float]:
    return [round(s * 1e6, 1) for s in seconds]


def main() -> None:
    """Write the expectations of a cluster's campaign."""
    parser = argparse.ArgumentParser(description="Write what the simulator expects of recorded cases.")
    parser.add_argument("cluster", help="a name in conf/cluster")
    parser.add_argument("path", type=Path, help="JSON file to write")
    parser.add_argument("--incast", type=int, metavar="GPUS", help="of +experiment=incast_h200 on so many GPUs")
    arguments = parser.parse_args()
    cluster = read_cluster(arguments.cluster)
    rows = _incast(cluster, arguments.incast) if arguments.incast else _campaign(cluster)
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    text = f'{{\n "cluster": {json.dumps(cluster.name)},\n "rows": [\n{lines}\n ]\n}}\n'
    write_whole(arguments.path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
