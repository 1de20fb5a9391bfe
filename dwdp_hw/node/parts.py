"""What is done on a node: command lines in their order, each with a time limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dwdp_hw.cases.incast import FEWEST_GPUS
from dwdp_hw.node.machine import Machine

HEALTH, INCAST, CALIBRATE, RATES, VALIDATE, ADVISE, BUNDLE = (
    "health", "incast", "calibrate", "rates", "validate", "advise", "bundle",
)  # fmt: skip
NAMES = (HEALTH, INCAST, CALIBRATE, RATES, VALIDATE, ADVISE, BUNDLE)
FITTED, WITH_PEERS = "this_node", "this_node_with_peers"
_OWN_CONF = ("--config-dir", ".")  # where the fitted cluster is
_LARGEST_GROUP = 8  # ranks that the advice is for; of one GPU, too, whose peers are as shipped


@dataclass(frozen=True)
class Part:
    """One command.

    Attributes:
        name: One of `NAMES`.
        program: `dwdp-hw` or `dwdp-advise`.
        words: Its command line after the program; it runs in the node's folder.
        folder: Where it writes, below the node's folder; empty for nothing.
        limit_s: After so many seconds it is ended.
        usual_s: How long it takes on one H200, for the estimate of what is left.
        needs: Names of the parts without whose files it cannot run.
        peers: The shipped cluster whose links the advice is for, with the host costs of the fitted one; empty where the
            fitted one has links.
    """

    name: str
    program: str
    words: tuple[str, ...]
    folder: str
    limit_s: float
    usual_s: float
    needs: tuple[str, ...] = ()
    peers: str = ""

    @property
    def line(self) -> str:
        """The command as one types it."""
        return " ".join((self.program, *self.words))


def parts_of(machine: Machine, models: Sequence[str], isl: int | None) -> list[Part]:
    """Return the parts of a node's examination, the most telling ones first; their paths are below its folder.

    Args:
        machine: The node.
        models: Presets that an advice is wanted for.
        isl: Input length of its requests in tokens; None for the default.
    """
    fitted = f"cluster/{FITTED}.yaml"
    parts = [Part(HEALTH, "dwdp-hw", ("health",), "", 30, 3)]
    if machine.gpus >= FEWEST_GPUS:
        words = ("mode=validate", f"cluster={machine.start}", "check.cases=incast", "check.limit_s=90")
        parts.append(Part(INCAST, "dwdp-hw", (*words, _run_dir(INCAST)), INCAST, 180, 120))
    start = (f"cluster={machine.start}", f"check.name={FITTED}", f"check.out={fitted}")
    parts.append(Part(CALIBRATE, "dwdp-hw", ("mode=calibrate", *start, _run_dir(CALIBRATE)), CALIBRATE, 270, 130))
    parts.append(Part(RATES, "dwdp-hw", ("health", CALIBRATE), "", 30, 4, (CALIBRATE,)))
    own = (*_OWN_CONF, "mode=validate", f"cluster={FITTED}", _run_dir(VALIDATE))
    parts.append(Part(VALIDATE, "dwdp-hw", own, VALIDATE, 150, 60, (CALIBRATE,)))
    parts += [_advice(machine, model, isl) for model in models]
    given = ("bundle", CALIBRATE, VALIDATE, fitted, "--out", "bundle.zip")
    parts.append(Part(BUNDLE, "dwdp-hw", given, "", 60, 10, (CALIBRATE, VALIDATE)))
    return parts


def _advice(machine: Machine, model: str, isl: int | None) -> Part:
    """With one GPU, for peers as its kind is shipped with: there is none whose link could be measured."""
    alone = machine.gpus == 1
    ranks = _LARGEST_GROUP if alone else min(machine.gpus, _LARGEST_GROUP)
    name = f"{ADVISE}_{model}"
    where = (*_OWN_CONF, f"cluster={WITH_PEERS if alone else FITTED}")
    asked = (f"model={model}", f"dwdp.dwdp_size={ranks}", *(() if isl is None else (f"workload.isl={isl}",)))
    words = (*where, *asked, _run_dir(name))
    return Part(ADVISE, "dwdp-advise", words, name, 90, 25, (CALIBRATE,), machine.cluster if alone else "")


def _run_dir(folder: str) -> str:
    return f"hydra.run.dir={folder}"
