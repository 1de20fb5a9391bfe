"""Wrong grids, launchers and folders for `-m`, each as a process of its own: sweeps start more of them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import fuzz
from tests.config_fuzz import COMMANDS as SINGLE
from tests.fuzz import LONGEST_RUN_S, ROOT, Case

_CODE = "import sys; sys.argv[0] = {program!r}; from {module} import main; main()"
_BY_NAME = {command.name: command for command in SINGLE}
_JOBLIB = "hydra/launcher=joblib"

OF_HYDRA = {
    "an unknown launcher's file": ("seed=1,2", "hydra/launcher=nope"),
    "a word for a launcher": ("seed=1,2", "hydra.launcher=nope"),
    "no launcher": ("seed=1,2", "hydra.launcher=null"),
    "a launcher without a class": ("seed=1,2", "hydra.launcher._target_=null"),
    "a launcher that is none": ("seed=1,2", "hydra.launcher._target_=os.getcwd"),
    "an unknown sweeper's file": ("seed=1,2", "hydra/sweeper=nope"),
    "a word for a sweeper": ("seed=1,2", "hydra.sweeper=nope"),
    "batches of none": ("seed=1,2", "hydra.sweeper.max_batch_size=0"),
    "parameters that are a word": ("seed=1,2", "hydra.sweeper.params=x"),
    "a parameter that is no key": ("seed=1,2", "+hydra.sweeper.params.sede=1"),
    "no worker": ("seed=1,2", _JOBLIB, "hydra.launcher.n_jobs=0"),
    "all cores but two": ("seed=1,2", _JOBLIB, "hydra.launcher.n_jobs=-3"),
    "a billion workers": ("seed=1,2", _JOBLIB, "hydra.launcher.n_jobs=1000000000"),
    "workers that are no number": ("seed=1,2", _JOBLIB, "hydra.launcher.n_jobs=nan"),
    "an unknown back end": ("seed=1,2", _JOBLIB, "hydra.launcher.backend=nope"),
    "an unknown setting of a launcher": ("seed=1,2", _JOBLIB, "hydra.launcher.nope=1"),
    "two modes": ("seed=1,2", "--cfg", "job"),
}
FOLDERS = {
    "a file": "text",
    "a pipe": "pipe",
    "below a file": "text/x",
    "a link to itself": "loop",
    "nothing": "",
    "a kernel's folder": "/proc/x",
    "a name of half a thousand letters": "n" * 500,
    "an escape": "'a\x1b[31mb'",
}
OF_SWEEPS = {
    "none for a sweep": ("seed=1,2", "sweep.workers=0"),
    "fewer than none": ("seed=1,2", "sweep.workers=-3"),
    "a billion for a sweep": ("seed=1,2", "sweep.workers=1000000000"),
    "no number for a sweep": ("seed=1,2", "sweep.workers=nan"),
    "no attempt": ("seed=1,2", "sweep.attempts=0"),
}


def grids(key: str) -> dict[str, tuple[str, ...]]:
    """Wrong grids, and grids that look so; the last value of some is wrong for `key`, a whole number."""
    return {
        "a range of a billion": (f"{key}=range(1000000000)",),
        "a range in Python's words": (f"{key}=range(10**9)",),
        "a range that never ends": (f"{key}=range(0,10,0)",),
        "a range backwards": (f"{key}=range(10,0)",),
        "a range of numbers that are none": (f"{key}=range(nan,inf)",),
        "two ranges of a hundred thousand": (f"{key}=range(100000)", "workload.max_phase_s=range(100000)"),
        "an interval": (f"{key}=interval(0,1)",),
        "one bad value": (f"{key}=1,abc",),
        "one empty value": (f"{key}=1,",),
        "one value beyond": (f"{key}=1,-1",),
        "lists": (f"{key}=[1],[2]",),
        "mappings": (f"{key}={{a:1}},{{b:2}}",),
        "markup": (f"{key}=1,'[/red][bold]'",),
        "an escape": (f"{key}=1,'a\x1b[31mb'",),
        "two lines": (f"{key}=1,'a\nb'",),
        "a long word": (f"{key}=1,{'x' * 10_000}",),
        "a byte that is no text": (f"{key}=1,a\udcff",),
        "no choice": (f"{key}=choice()",),
        "half a choice": (f"{key}=choice(1",),
        "a choice twice": (f"{key}=choice(1,2),choice(3)",),
        "a glob of nothing": ("strategy=glob(nope*)",),
        "a glob for a value": (f"{key}=glob(*)",),
        "an unknown choice": ("strategy=default,nope",),
        "values that contradict one another": ("dwdp.dwdp_size=2,3",),
        "a key twice": (f"{key}=1,2", f"{key}=3,4"),
        "a key swept and set": (f"{key}=1,2", f"{key}=3"),
        "the same value twice": (f"{key}=1,1",),
        "an unknown interpolation": (f"{key}=${{x}},1",),
        "an interpolation": (f"{key}=${{workload.seed}},${{dwdp.dwdp_size}}",),
        "a variable of the environment": (f"{key}=${{oc.env:HOME}},1",),
        "an unknown key": ("sede=1,2",),
        "a new key": ("+sede=1,2",),
        "a removed key": (f"~{key}=1,2",),
        "an unknown experiment": ("+experiment=nope",),
        "an unknown one of two experiments": ("+experiment=slices,nope",),
        "several experiments": ("+experiment=slices,models",),
        "an experiment and its own key": ("+experiment=slices", "strategy.slice_bytes=abc"),
    }


@dataclass(frozen=True)
class Command(fuzz.Command):
    """Many jobs of one of the commands; of a sweep into a folder, a job that fails is a row and a line."""

    module: str

    def main(self, arguments: Sequence[str]) -> None:
        code = _CODE.format(program=self.program, module=self.module)
        words = [word.encode("utf-8", "surrogateescape") for word in arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment, timeout=LONGEST_RUN_S,
        )  # fmt: skip
        sys.stdout.write(done.stdout.decode())
        sys.stderr.write(done.stderr.decode())
        sys.exit(done.returncode)

    def prepare(self) -> None:
        _BY_NAME["layer"].prepare()
        Path("text").write_text("text\n")
        os.mkfifo("pipe")
        os.symlink("loop", "loop")

    def clock_s(self) -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)  # processes start slowly where others work
        return used.ru_utime + used.ru_stime

    def failed_alone(self, code: object, out: str) -> bool:
        return code == 1 and "\nfailed: " in f"\n{out}"


def _swept(name: str, single: str, *more: str) -> Command:
    one = _BY_NAME[single]
    return Command(name, one.program, ("-m", *one.base, *more), one.module)


HYDRA_S = _swept("Hydra's multirun", "layer")
SWEEP = _swept("a sweep", "layer", "results_dir=rows", "sweep.quiet=true")
VALIDATIONS = _swept("validations", "validate")
ADVICES = _swept("advices", "advice")
COMMANDS = (HYDRA_S, SWEEP, VALIDATIONS, ADVICES)


def cases(command: Command) -> Iterator[Case]:
    """Wrong grids for a command; all settings of Hydra, and of sweeps, for those that predict a layer."""
    given = dict(grids("seed" if command is not VALIDATIONS else "check.p95"))
    if command in (HYDRA_S, SWEEP):
        given |= OF_HYDRA
        key = "results_dir" if command is SWEEP else "hydra.sweep.dir"
        given |= {f"{key}: {what}": ("seed=1,2", f"{key}={folder}") for what, folder in FOLDERS.items()}
    given |= OF_SWEEPS if command is SWEEP else {}
    for what, words in given.items():
        of_launcher = command is HYDRA_S and _JOBLIB in words  # which Hydra asks once it has written what it is to do
        yield Case(command, what, (*command.base, *words), leaves="multirun.yaml" if of_launcher else "")
