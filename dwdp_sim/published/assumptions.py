"""What is unmeasured and may move a published figure's prediction; a range changes one of them at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, BOTH_WAYS, INCAST, LOW, WALKS, Hypothesis
from dwdp_sim.job.presets import preset
from dwdp_sim.silicon.choices import Choices
from dwdp_sim.silicon.experts import LOADS


@dataclass(frozen=True)
class Assumption:
    """One assumption changed.

    Attributes:
        name: What is assumed; several changes may be of one assumption.
        values: Changes of the configuration, by dotted key.
        hypothesis: How the machine differs.
        of: What it changes: `steps`, `batched` copies alone, or `dep` alone.
    """

    name: str
    values: tuple[tuple[str, Any], ...] = ()
    hypothesis: Hypothesis = AS_CONFIGURED
    of: str = "steps"


AS_ASSUMED = Assumption("")
ACTIVATIONS = Assumption("expert activations", (("compute.experts", "w4a16_mxfp4"),))
"""gpt-oss in MXFP4 with BF16 activations in place of FP8 ones."""

_DISTURBED = {
    "power_slowdown": "attention beside copies",
    "product_slowdown": "products beside copies",
    "memory_taken": "memory beside copies",
}


def uneven_ranks() -> Assumption:
    """Experts spread over the ranks so that one rank has most tokens: the far end of the constant's interval."""
    return Assumption("load of the ranks", ((_key("rank_imbalance"), _interval("rank_imbalance")[1]),), of="dep")


def expert_loads() -> tuple[Assumption, ...]:
    """Other spreads of tokens over the experts than the default."""
    return tuple(Assumption("load of the experts", (("compute.load", load),)) for load in LOADS if load != Choices.load)


def undisturbed() -> Assumption:
    """Copies take the least from every kind of kernel at once: three assumptions changed together, so in no range."""
    return Assumption("undisturbed", tuple((_key(name), _interval(name)[0]) for name in _DISTURBED))


def machine_assumptions() -> tuple[Assumption, ...]:
    """What copies take from kernels and from one another.

    Of windows of bytes in a batch's walk there is none: slices are simulated larger than they are, and in bytes they
    would differ; one source at a time and all of them are the two ends between which such windows lie.
    """
    readers, both_ways = (
        Hypothesis(name, bounds=tuple((constant, LOW) for constant in constants))
        for name, constants in (("several readers cost a source", INCAST), ("most lost both ways", BOTH_WAYS))
    )
    walks = [Hypothesis(name, WALKS[name]) for name in ("1 source", "all sources")]
    return (
        *(Assumption(shown, ((_key(name), _interval(name)[0]),)) for name, shown in _DISTURBED.items()),
        Assumption("several readers", hypothesis=readers),
        Assumption("both ways", hypothesis=both_ways),
        *(Assumption("sources in flight", hypothesis=walk, of="batched") for walk in walks),
    )


def all_assumptions() -> tuple[Assumption, ...]:
    """Everything that the ranges of simulated steps are over."""
    return uneven_ranks(), *expert_loads(), *machine_assumptions()


def _key(constant: str) -> str:
    return f"compute.constants.{constant}.value"


def _interval(constant: str) -> tuple[float, float]:
    low, high = preset(compute="silicon").compute.constants[constant].interval
    return float(low), float(high)
