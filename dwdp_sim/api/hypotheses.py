"""What may be true of a machine that nobody has measured, for predictions from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dwdp_sim.api.presets import load_cluster
from dwdp_sim.api.shown import html_of
from dwdp_sim.fabric import hypotheses as of_fabric
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.hypotheses import Hypothesis
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.plan.program import Program


class Hypotheses(dict[str, Hypothesis]):
    """Hypotheses by name; a notebook shows in what each differs from what is configured."""

    def _repr_html_(self) -> str:
        import pandas as pd  # noqa: PLC0415  # a third of a second that a prediction alone need not wait

        rows = [(name, ", ".join(_settings(one)) or "nothing") for name, one in self.items()]
        table = pd.DataFrame(rows, columns=["hypothesis", "sets"]).set_index("hypothesis")
        return html_of(f"{len(self)} hypotheses about what is not measured; the first is what is configured.", table)


def _settings(hypothesis: Hypothesis) -> list[str]:
    """What a hypothesis sets, each as `name = value`."""
    ends: list[tuple[str, Any]] = [(name, "highest" if end else "lowest") for name, end in hypothesis.bounds]
    return [f"{name} = {value}" for name, value in (*hypothesis.constants, *hypothesis.options, *ends)]


def hypotheses(
    cluster: str | Path | Cluster = "gb200_nvl72",
    options: FabricOptions | None = None,
    *,
    program: Program | None = None,
) -> Hypotheses:
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
    return Hypotheses({hypothesis.name: hypothesis for hypothesis in found})
