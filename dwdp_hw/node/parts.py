"""What is done on a node: command lines in their order, each with a time limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dwdp_hw.cases.incast import FEWEST_GPUS
from dwdp_hw.node.machine import Machine

HEALTH, INCAST, CALIBRATE, RATES, VALIDATE, ADVISE, BUNDLE = (
    "health", "incast", "calibrate", "rates", "validate", "advise", "bundle",
)  # fmt: skip
NAMES = (HEALTH, INCAST, CALIBRATE, RATES, VALIDATE, ADVISE, BUNDLE)
FITTED = "this_node"
_LARGEST_GROUP, _GROUP_OF_ONE = 8, 4  # ranks that the advice is for


@dataclass(frozen=True)
class Part:
    """One command.

    Attributes:
        name: One of `NAMES`.
        program: `dwdp-hw` or `dwdp-advise`.
        words: Its command line after the program.
        folder: Where it writes, below the node's folder; empty for nothing.
        limit_s: After so many seconds it is ended.
        usual_s: How long it takes on one H200, for the estimate of what is left.
        needs: Names of the parts without whose files it cannot run.
    """

    name: str
    program: str
    words: tuple[str, ...]
    folder: str
    limit_s: float
    usual_s: float
    needs: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The command as one types it."""
        return " ".join((self.program, *self.words))


def parts_of(machine: Machine, folder: Path, models: Sequence[str], isl: int | None) -> list[Part]:
    """Return the parts of a node's examination, the most telling ones first.

    Args:
        machine: The node.
        folder: Where they write.
        models: Presets that an advice is wanted for.
        isl: Input length of its requests in tokens; None for the default.
    """
    calibration, validation = folder / CALIBRATE, folder / VALIDATE
    fitted = folder / "cluster" / f"{FITTED}.yaml"
    parts = [Part(HEALTH, "dwdp-hw", ("health",), "", 30, 3)]
    if machine.gpus >= FEWEST_GPUS:
        words = ("mode=validate", f"cluster={machine.start}", "check.cases=incast", "check.limit_s=90")
        parts.append(Part(INCAST, "dwdp-hw", (*words, _run_dir(folder / INCAST)), INCAST, 180, 120))
    words = ("mode=calibrate", f"cluster={machine.start}", f"check.name={FITTED}", f"check.out={fitted}")
    parts.append(Part(CALIBRATE, "dwdp-hw", (*words, _run_dir(calibration)), CALIBRATE, 150, 60))
    parts.append(Part(RATES, "dwdp-hw", ("health", str(calibration)), "", 30, 4, (CALIBRATE,)))
    own = ("--config-dir", str(folder), "mode=validate", f"cluster={FITTED}")
    parts.append(Part(VALIDATE, "dwdp-hw", (*own, _run_dir(validation)), VALIDATE, 150, 60, (CALIBRATE,)))
    parts += [_advice(machine, folder, model, isl) for model in models]
    given = ("bundle", str(calibration), str(validation), str(fitted), "--out", str(folder / "bundle.zip"))
    parts.append(Part(BUNDLE, "dwdp-hw", given, "", 60, 10, (CALIBRATE, VALIDATE)))
    return parts


def _advice(machine: Machine, folder: Path, model: str, isl: int | None) -> Part:
    """With one GPU, of the shipped cluster of its kind: there is no peer whose link could be fitted."""
    ranks = min(machine.gpus, _LARGEST_GROUP) if machine.gpus > 1 else _GROUP_OF_ONE
    name = f"{ADVISE}_{model}"
    words = [f"model={model}", f"dwdp.dwdp_size={ranks}", *([] if isl is None else [f"workload.isl={isl}"])]
    where = ["--config-dir", str(folder), f"cluster={FITTED}"] if machine.gpus > 1 else [f"cluster={machine.cluster}"]
    needs = (CALIBRATE,) if machine.gpus > 1 else ()
    return Part(ADVISE, "dwdp-advise", (*where, *words, _run_dir(folder / name)), name, 90, 25, needs)


def _run_dir(folder: Path) -> str:
    return f"hydra.run.dir={folder}"
