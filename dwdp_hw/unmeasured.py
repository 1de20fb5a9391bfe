"""The rules of the contention model that nobody has measured, as alternatives to one another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dwdp_sim.cluster import Cluster
from dwdp_sim.options import FabricOptions
from dwdp_sim.program import Program, batch_spans_sources


@dataclass(frozen=True)
class Rules:
    """One way in which engines and links may work.

    Attributes:
        in_flight_sources, refill: As in `fabric_constants.FabricConstants`.
        sharing, incast: As in `options.FabricOptions`.
    """

    in_flight_sources: int = 2
    refill: str = "oldest"
    sharing: str = "fair"
    incast: str = "always"

    @property
    def name(self) -> str:
        """In a few words, such as `2 in flight, oldest; fair, incast always`."""
        refill = f", {self.refill}" if self.in_flight_sources > 1 else ""
        incast = f", incast {self.incast}" if self.sharing == "fair" else ""
        return f"{self.in_flight_sources} in flight{refill}; {self.sharing}{incast}"

    def cluster(self, cluster: Cluster) -> Cluster:
        """The cluster with these rules in place of its own."""
        named = {"in_flight_sources": self.in_flight_sources, "refill": self.refill}
        constants = dict(cluster.constants)
        constants |= {name: replace(constants[name], value=value) for name, value in named.items() if name in constants}
        return replace(cluster, constants=constants)

    def options(self, options: FabricOptions) -> FabricOptions:
        """The options with these rules in place of their own."""
        return replace(options, sharing=self.sharing, incast=self.incast)


def _all_rules() -> tuple[Rules, ...]:
    """Every number in flight with every way of sharing, and loss on demand with the one assumed.

    With one place there is nobody to refill; first in, first out, a source has one reader at a time and no loss.
    Loss on demand differs from loss always only where single copies leave a source idle, so in-flight copies of batches
    do not matter to it.
    """
    flights = ((1, "oldest"), (2, "oldest"), (2, "any"), (4, "oldest"), (4, "any"))
    shared = (("fair", "always"), ("fair", "off"), ("fifo", "always"))
    return (*(Rules(*flight, *sharing) for flight, sharing in product(flights, shared)), Rules(incast="demand"))


ALL_RULES = _all_rules()


def told_apart(rules: Rules, program: Program) -> Rules:
    """The rules without what cannot change this program: those that it cannot tell apart become equal."""
    if not batch_spans_sources(program):
        rules = replace(rules, in_flight_sources=2, refill="oldest")
    pairs = np.unique(program.copy_src * program.num_gpus + program.copy_dst)
    _, readers = np.unique(pairs // program.num_gpus, return_counts=True)
    return rules if readers.max() > 1 else replace(rules, sharing="fair", incast="off")
