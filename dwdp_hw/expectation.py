"""What the simulator expects of the campaign's cases, to be written down before a machine runs them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from dwdp_hw.campaign import one_gpu_cases, peer_cases
from dwdp_hw.case import Case
from dwdp_sim.build import read_cluster
from dwdp_sim.cluster import Cluster
from dwdp_sim.fabric_constants import constants_for
from dwdp_sim.files import write_whole
from dwdp_sim.options import FabricOptions
from dwdp_sim.program import program_from_plan
from dwdp_sim.simulate import simulate


def expected_s(case: Case, cluster: Cluster) -> list[float]:
    """Seconds that each pulling rank should need for one layer."""
    ranks = len(case.ranks) if case.home != "peer" or len(case.ranks) > 1 else 1
    program = program_from_plan(case.plan, issue_mode=case.issue_mode, home=case.home, ranks=ranks)
    if ranks < case.plan.placement.dwdp_size and case.home == "peer":  # the others only serve, but they are GPUs
        program = type(program)(**{**vars(program), "num_gpus": case.plan.placement.dwdp_size})
    options = FabricOptions()
    timeline = simulate(program, constants_for(cluster, program, options), options)
    return [float(elapsed_s) for elapsed_s in timeline.stream_elapsed_s]


def main() -> None:
    """Write the expectations of a cluster's campaign."""
    parser = argparse.ArgumentParser(description="Write what the simulator expects of the recorded campaign.")
    parser.add_argument("cluster", help="a name in conf/cluster")
    parser.add_argument("path", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    cluster = read_cluster(arguments.cluster)
    cases = peer_cases(cluster.num_gpus) if cluster.num_gpus > 1 else one_gpu_cases()
    rows: list[dict[str, Any]] = [
        {"case": case.name, "expected_us": [round(s * 1e6, 2) for s in expected_s(case, cluster)]}
        for case in cases
        if case.measure == "layer" and case.home in ("peer", cluster.home)
    ]
    text = json.dumps({"cluster": cluster.name, "rows": rows}, indent=1) + "\n"
    write_whole(arguments.path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
