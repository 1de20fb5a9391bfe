"""Wrong values for every key of every command, and what a command must do with each: refuse it in one line, or work."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import math
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from omegaconf import DictConfig, OmegaConf

from dwdp_sim.job.compose import check_overrides, compose, parse_overrides
from dwdp_sim.job.config_files import config_dir, config_groups
from dwdp_sim.job.hydra_app import one_line_errors

LONGEST_REFUSAL_S = 5.0
LONGEST_RUN_S = 60.0
LONGEST_LINE = 2000
ROOT = Path(__file__).resolve().parents[1]
_COPIES = [{"src": "gpu1", "dst": "gpu0", "bytes": 4096, "count": 3}]
PROGRAM = {"streams": [{"gpu": gpu, "calls": [{"issue": "batch", "copies": _COPIES}]} for gpu in (0, 1)]}

VALUES = {
    "nothing": "",
    "null": "null",
    "missing": "???",
    "a flag": "true",
    "zero": "0",
    "minus one": "-1",
    "a fraction": "0.5",
    "one and a half": "1.5",
    "tiny": "1e-300",
    "huge": "1e30",
    "minus huge": "-1e30",
    "beyond floats": "1e400",
    "not a number": "nan",
    "infinite": "inf",
    "minus infinite": "-inf",
    "many": "1000000",
    "beyond 32 bits": "4294967296",
    "beyond 63 bits": "9223372036854775807",
    "beyond 64 bits": "18446744073709551616",
    "a thousand digits": "9" * 1000,
    "five thousand digits": "9" * 5000,
    "an empty list": "[]",
    "a list": "[1,2]",
    "lists in a list": "[[1],[2]]",
    "nothing in a list": "[null]",
    "no number in a list": "[nan,nan]",
    "words in a list": "[a,b]",
    "an empty mapping": "{}",
    "a mapping": "{a:1}",
    "mappings in a mapping": "{a:{b:{c:nan}}}",
    "an unknown interpolation": "${x}",
    "an interpolation": "${seed}",
    "an interpolation of a group": "${workload}",
    "a variable of the environment": "${oc.env:HOME}",
    "a word": "abc",
    "a long word": "x" * 10_000,
    "a word of another language": "größe",
    "other digits": "'２'",
    "an escape": "'a\x1b[31mb'",
    "two lines": "'a\nb'",
    "markup": "'[/red][bold]'",
    "a quote": "'it\\'s'",
    "a file": "/etc/passwd",
    "a folder": "/",
    "a path upwards": "../x",
    "an endless file": "/dev/zero",
    "half a list": "[1,2",
    "half a quote": "'a",
    "a size": "2MiB",
    "a byte that is no text": "a\udcff",
}
FORMS = (
    "+{key}=1", "++{key}=1", "++{key}=abc", "~{key}", "~{key}=1", "{key}", "{key}=1,2", "{key}@x=1", "{key}.x=1",
    "++{key}.x=1",
)  # fmt: skip
FLAGS = (
    ["--unknown"], ["-x"], ["--cfg", "x"], ["--cfg"], ["--config-name", "x"], ["--config-dir", "x"],
    ["--config-path", "x"], ["--resolve"], ["--package", "x"], ["--info", "x"], ["sede=1"], ["+sede=1"], ["++sede=1"],
    ["~sede"], ["="], ["=1"],
    ["a"], [""], ["seed"], ["seed=1", "seed=2"], ["seed=1=2"], ["é=1"], ["hydra.run.dir=/proc/x"], ["hydra.run.dir="],
    ["hydra.job.num=x"], ["hydra=x"], ["+experiment=x"], ["+experiment=../config"], ["experiment=slices"],
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command line that works, whose keys are given wrong values.

    Attributes:
        name: For the report.
        module: Where its `main` is; `command` of the same package runs its task.
        program: As in its messages.
        config: Its primary configuration.
        base: Arguments that make it small.
        runs: Whether accepted values run; otherwise they are only checked, since a run takes long or needs a machine.
    """

    name: str
    module: str
    program: str
    config: str
    base: tuple[str, ...]
    runs: bool = True

    def main(self, arguments: Sequence[str]) -> None:
        """Run a whole command line; `SystemExit` where it is refused."""
        module = importlib.import_module(self.module.replace("app", "command"))
        task = module._task if self.runs else lambda job, folder: None
        argv = patch.object(sys, "argv", [self.program, *arguments])
        with argv, patch.object(module, "_task", task):
            importlib.import_module(self.module).main()

    def parts(self, override: str) -> None:
        """Do what `main` does with one more plain override, but for reading the configuration's files again."""
        module = importlib.import_module(self.module.replace("app", "command"))
        schema, folders = self.schema(), [str(config_dir())]
        with patch.object(sys, "argv", [self.program]), one_line_errors(schema):
            check_overrides([override], schema, folders)
            config = pickle.loads(_composed(self))
            for one in parse_overrides([override]):
                OmegaConf.update(config, one.key_or_group, one.value(), merge=True)
            job = module._build(config, [*self.base, override])
            if self.runs:
                module._task(job, Path("run"))

    def schema(self) -> type:
        """The dataclass of its tree, which it makes known to Hydra."""
        places = {
            "config": ("dwdp_sim.job.schema", "SimConfig", "register_schemas"),
            "advise": ("dwdp_sim.advice.config", "AdviseTree", "register_advise_schemas"),
            "hw": ("dwdp_hw.job.schema", "HwConfig", "register_hw_schemas"),
        }
        module, schema, register = places[self.config]
        imported = importlib.import_module(module)
        getattr(imported, register)()
        return getattr(imported, schema)  # type: ignore[no-any-return]


_TWO = ("model=deepseek_v3_lite_nvfp4", "cluster=h200_x2", "dwdp.dwdp_size=2")
_LITE = (*_TWO, "strategy.slice_bytes=16MiB", "workers=1")
_LAYER = (*_LITE, "workload.draws=1", "workload.range=false")
_STEPS = (*_LITE, "workload.range=false", "workload.replications=1", "workload.warmup=0", "workload.iterations=1")
_SIM = ("dwdp_sim.app", "dwdp-sim", "config")
_ADVISE = ("dwdp_sim.advice.app", "dwdp-advise", "advise")
_HW = ("dwdp_hw.app", "dwdp-hw", "hw")
COMMANDS = (
    Command("layer", *_SIM, _LAYER),
    Command("waves", *_SIM, (*_LAYER, "strategy=waves", "workload.start=lockstep", "issue_mode=as_issued")),
    Command("steps", *_SIM, (*_STEPS, "workload=iteration", "compute=constant", "compute.window_s=1e-3")),
    Command("steps by kernels", *_SIM, (*_STEPS, "workload=iteration")),
    Command("steps by a roofline", *_SIM, (*_STEPS, "workload=iteration", "compute=sol")),
    Command("replay", *_SIM, ("workload=replay", "workload.file=program.json", *_LAYER[1:2], *_LAYER[-3:])),
    Command("published", *_SIM, ("workload=published",), runs=False),
    Command("advice", *_ADVISE, (*_LITE, "workload.replications=2"), runs=False),
    Command("map", *_ADVISE, (*_LITE, "workload.replications=2", "show=map"), runs=False),
    Command("measure", *_HW, (*_LITE, "backend=host"), runs=False),
    Command("pipeline", *_HW, (*_LITE, "backend=host", "backend.measure=pipeline"), runs=False),
    Command("calibrate", *_HW, (*_LITE, "mode=calibrate", "source=recorded", "rows=rows.json"), runs=False),
    Command("validate", *_HW, (*_LITE, "mode=validate", "source=recorded", "rows=rows.json"), runs=False),
    Command("import", *_HW, (*_LITE, "mode=import", "trace=trace.json"), runs=False),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One command line with one thing wrong."""

    command: Command
    what: str
    arguments: tuple[str, ...]
    plain: bool = False  # key=value, of a key and not of a group's file


@dataclass
class Report:
    """What came of cases: how many were refused, accepted, and answered otherwise."""

    refused: int = 0
    accepted: int = 0
    wrong: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    def __str__(self) -> str:
        cases = self.refused + self.accepted + len(self.wrong)
        counts = f"{cases} cases: {self.refused} refused, {self.accepted} accepted"
        otherwise = f"{len(self.wrong)} answered otherwise; the longest took {self.longest_s:.1f} s"
        return "\n".join([f"{counts}, {otherwise}", *self.wrong])


def cases(command: Command) -> Iterator[Case]:
    """Every wrong value for every key of a command, every form of override, and flags."""
    groups = config_groups([str(config_dir())])
    for path in _paths(pickle.loads(_composed(command))):
        for what, value in VALUES.items():
            yield Case(command, f"{path}: {what}", (*command.base, f"{path}={value}"), path not in groups)
        for form in FORMS:
            text = form.format(key=path)
            yield Case(command, text, (*command.base, text))
    for group in groups:
        for what, value in VALUES.items():
            yield Case(command, f"{group}: {what}", (*command.base, f"{group}={value}"))
    for flags in FLAGS:
        yield Case(command, " ".join(flags), (*command.base, *flags))


@functools.cache
def _composed(command: Command) -> bytes:
    """The configuration without a wrong value, pickled."""
    return pickle.dumps(compose(command.config, command.schema(), command.base, [str(config_dir())]))


def _paths(config: DictConfig, before: str = "") -> Iterator[str]:
    """The keys of a tree, groups before what is in them; of constants, all keys of one and the values of the others."""
    for number, name in enumerate(config):
        path = f"{before}{name}"
        node = config._get_node(name)
        if before.endswith("constants.") and number:
            yield f"{path}.value"
            continue
        yield path
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
            yield from _paths(node, f"{path}.")


class _TooLongError(BaseException):
    """A case took longer than it may."""


def _too_long(*_: object) -> None:
    raise _TooLongError


def run_cases(chosen: Sequence[Case], report: Report, *, whole: bool) -> Report:
    """Run cases in this process, each in an empty folder, and judge what comes of them.

    Args:
        chosen: What to run.
        report: Where the outcomes are counted.
        whole: Whether to run whole command lines; otherwise plain overrides skip reading the configuration's files.
    """
    before, home = signal.signal(signal.SIGALRM, _too_long), Path.cwd()
    folder = Path(tempfile.mkdtemp(prefix="config-fuzz-"))
    try:
        for case in chosen:
            _run(case, folder / "case", report, whole or not case.plain)
    finally:
        os.chdir(home)
        signal.signal(signal.SIGALRM, before)
        shutil.rmtree(folder)
    return report


def _run(case: Case, folder: Path, report: Report, whole: bool) -> None:
    given = _prepare(folder)
    out, err = io.StringIO(), io.StringIO()
    began = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, LONGEST_RUN_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code, crash = _call(case, whole)
    except _TooLongError:
        code, crash = None, "does not end"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    took_s = time.perf_counter() - began
    report.longest_s = max(report.longest_s, took_s)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in given]
    written = sorted(str(path.relative_to(folder)) for path in files)
    if code == 0:
        complaint = _complaint_on_success(case, folder, err.getvalue())
    else:
        complaint = crash or _complaint_on_refusal(case, code, out.getvalue(), err.getvalue(), written, took_s)
    if complaint:
        given_last = " ".join(case.arguments[len(case.command.base) :])
        report.wrong.append(f"{case.command.name}: {given_last[:120]!r}: {complaint}")
    elif code == 0:
        report.accepted += 1
    else:
        report.refused += 1
    os.chdir("/")
    shutil.rmtree(folder)


def _prepare(folder: Path) -> set[str]:
    folder.mkdir()
    os.chdir(folder)
    Path("run").mkdir()
    Path("program.json").write_text(json.dumps(PROGRAM))
    os.symlink(ROOT / "measurements" / "h200_x2_live_validation.json", "rows.json")
    os.symlink(ROOT / "measurements" / "traces" / "h200_x2_v3lite36_batched_rank0.json", "trace.json")
    return {path.name for path in folder.iterdir()}


def _call(case: Case, whole: bool) -> tuple[Any, str | None]:
    """Exit code, and where in the code it crashed if it did."""
    try:
        if whole:
            case.command.main(case.arguments)
        else:
            case.command.parts(case.arguments[-1])
    except SystemExit as ended:
        return ended.code or 0, None
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.removeprefix(str(ROOT))}:{last.lineno}"
        return None, f"{type(error).__name__} {str(error)[:100]!r} at {place}"
    return 0, None


def _complaint_on_refusal(case: Case, code: object, out: str, err: str, written: list[str], took_s: float) -> str:
    lines = err.splitlines()
    if code != 2:
        return f"exit code {code}: {err[-200:]!r}"
    is_line = len(lines) == 1 and lines[0].startswith(f"{case.command.program}: ") and lines[0].isprintable()
    if not is_line or len(err) > LONGEST_LINE:
        return f"not one line: {err[:300]!r}"
    if out or written:
        return f"leaves {written or out[:100]!r} behind"
    return f"took {took_s:.1f} s to refuse" if took_s > LONGEST_REFUSAL_S else ""


def _complaint_on_success(case: Case, folder: Path, err: str) -> str:
    if "Traceback" in err or "Warning" in err:
        return f"warns: {err[-300:]!r}"
    if not case.command.runs or any(word.startswith("--") for word in case.arguments):
        return ""
    summaries = list(folder.rglob("summary.json"))
    if len(summaries) != 1:
        return "leaves no summary"
    for path, value in numbers(json.loads(summaries[0].read_text())):
        if not math.isfinite(value):
            return f"{path} is {value}"
    return ""


def numbers(tree: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in parsed JSON, with their places."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from numbers(value, f"{path}.{name}")
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from numbers(value, f"{path}[{place}]")
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield path, tree
