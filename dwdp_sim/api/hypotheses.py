"""What may be true of a machine that nobody has measured, for predictions from Python."""

from __future__ import annotations

from pathlib import Path

from dwdp_sim.api.presets import load_cluster
from dwdp_sim.fabric import hypotheses as of_fabric
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.hypotheses import Hypothesis
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.program import Program


def hypotheses(
    cluster: str | Path | Cluster = "gb200_nvl72",
    options: FabricOptions | None = None,
    *,
    program: Program | None = None,
) -> dict[str, Hypothesis]:
    """Everything that may be true of a cluster, by name, what is configured first.

    `hypotheses(…)[name].machine(cluster, options)` gives the cluster and the options if that one holds, for any
    prediction. docs/hypotheses.md says what each means.

    Args:
        cluster: The machine: a preset's name, a file, or an object.
        options: Alternatives of the contention model.
        program: Leaves out every hypothesis under which this program runs as under an earlier one.

    Raises:
        ConfigError: There is no such cluster, or it lacks a constant that the program needs.
    """
    machine, options = load_cluster(cluster), options or FabricOptions()
    found = of_fabric.hypotheses(machine, options)
    if program is not None:
        found = of_fabric.distinct(found, [program], machine, options)
    return {hypothesis.name: hypothesis for hypothesis in found}
