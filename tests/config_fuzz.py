"""Wrong values for every key of every command that has a configuration."""

from __future__ import annotations

import functools
import importlib
import json
import math
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from omegaconf import DictConfig, OmegaConf

from dwdp_sim.job.compose import check_overrides, compose, parse_overrides
from dwdp_sim.job.config_files import config_dir, config_groups
from dwdp_sim.job.hydra_app import one_line_errors
from tests import fuzz
from tests.fuzz import ROOT, Case

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
class Command(fuzz.Command):
    """A command line that works, whose keys are given wrong values.

    Attributes:
        module: Where its `main` is; `command` of the same package runs its task.
        config: Its primary configuration.
        runs: Whether accepted values run; otherwise they are only checked, since a run takes long or needs a machine.
    """

    module: str
    config: str
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

    def prepare(self) -> None:
        Path("run").mkdir()
        Path("program.json").write_text(json.dumps(PROGRAM))
        os.symlink(ROOT / "measurements" / "h200_x2_live_validation.json", "rows.json")
        os.symlink(ROOT / "measurements" / "traces" / "h200_x2_v3lite36_batched_rank0.json", "trace.json")

    def complaint(self, arguments: Sequence[str], folder: Path) -> str:
        if not self.runs or any(word.startswith("--") for word in arguments):
            return ""
        summaries = list(folder.rglob("summary.json"))
        if len(summaries) != 1:
            return "leaves no summary"
        for path, value in numbers(json.loads(summaries[0].read_text())):
            if not math.isfinite(value):
                return f"{path} is {value}"
        return ""

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
_SIM = ("dwdp_sim.app", "config")
_ADVISE = ("dwdp_sim.advice.app", "advise")
_HW = ("dwdp_hw.app", "hw")
COMMANDS = (
    Command("layer", "dwdp-sim", _LAYER, *_SIM),
    Command("waves", "dwdp-sim", (*_LAYER, "strategy=waves", "workload.start=lockstep", "issue_mode=as_issued"), *_SIM),
    Command("steps", "dwdp-sim", (*_STEPS, "workload=iteration", "compute=constant", "compute.window_s=1e-3"), *_SIM),
    Command("steps by kernels", "dwdp-sim", (*_STEPS, "workload=iteration"), *_SIM),
    Command("steps by a roofline", "dwdp-sim", (*_STEPS, "workload=iteration", "compute=sol"), *_SIM),
    Command("replay", "dwdp-sim", ("workload=replay", "workload.file=program.json", *_LAYER[1:2], *_LAYER[-3:]), *_SIM),
    Command("published", "dwdp-sim", ("workload=published",), *_SIM, runs=False),
    Command("advice", "dwdp-advise", (*_LITE, "workload.replications=2"), *_ADVISE, runs=False),
    Command("map", "dwdp-advise", (*_LITE, "workload.replications=2", "show=map"), *_ADVISE, runs=False),
    Command("measure", "dwdp-hw", (*_LITE, "backend=host"), *_HW, runs=False),
    Command("pipeline", "dwdp-hw", (*_LITE, "backend=host", "backend.measure=pipeline"), *_HW, runs=False),
    Command("calibrate", "dwdp-hw", (*_LITE, "mode=calibrate", "source=recorded", "rows=rows.json"), *_HW, runs=False),
    Command("validate", "dwdp-hw", (*_LITE, "mode=validate", "source=recorded", "rows=rows.json"), *_HW, runs=False),
    Command("import", "dwdp-hw", (*_LITE, "mode=import", "trace=trace.json"), *_HW, runs=False),
)  # fmt: skip


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
