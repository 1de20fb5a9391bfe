"""Say what a hypothesis means, as the end of a sentence that begins with "if"."""

from __future__ import annotations

from dwdp_sim.fabric.hypotheses import AS_CONFIGURED, Hypothesis

_WORDS = {  # of the parts of a hypothesis' name
    AS_CONFIGURED.name: "everything is as configured",
    "1 source": "an engine keeps one source of a batch in flight",
    "2 sources, oldest": "an engine keeps two sources of a batch in flight, the oldest copies first",
    "2 sources, any": "an engine keeps two sources of a batch in flight, in any order",
    "3 sources, oldest": "an engine keeps three sources of a batch in flight, the oldest copies first",
    "3 sources, any": "an engine keeps three sources of a batch in flight, in any order",
    "all sources": "an engine keeps all sources of a batch in flight",
    "two engines": "two engines share a batch",
    "256 KiB ahead": "an engine requests a batch 256 KiB ahead",
    "1 MiB ahead": "an engine requests a batch 1 MiB ahead",
    "4 MiB ahead": "an engine requests a batch 4 MiB ahead",
    "fair": "",  # as is usual
    "equal": "its copies are equally fast",
    "several readers cost a source": "several readers cost a source part of its rate",
    "most lost both ways": "a GPU's two directions disturb each other as much as they may",
    "least lost both ways": "a GPU's two directions disturb each other as little as they may",
    "fastest kernels": "the fastest kernels run",
    "slowest kernels": "the slowest kernels run",
    "copies take least from kernels": "copies take as little from kernels as they may",
}


def in_words(state: Hypothesis) -> str:
    """Return what holds under a hypothesis, as `an engine keeps one source of a batch in flight`."""
    return " and ".join(filter(None, (_WORDS.get(part, f"“{part}” holds") for part in state.name.split("; "))))
