"""A strategy in a user's file: found or refused in one line, the same in another process, and held to the same laws."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.build import build_run
from dwdp_sim.job.presets import preset
from dwdp_sim.job.schema import SimConfig
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan, count_calls, pulls_of
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.plan.strategy_file import load_kind

SMALL = MoEModel("small", 32, 16, 1, 1, 1, 1, "nvfp4")
HEAD = "from dwdp_sim.plan.strategy import StrategyKind\n"
OWN = HEAD + "own = StrategyKind('mine', lambda s, _: (s.parameter, s.slice), call=lambda s, _: s.rank ^ s.peer{})\n"
BROKEN = {
    "no colon": ("{file}", "", "a file and a StrategyKind's name in it are wanted, as my_strategy.py:name"),
    "no file": ("there_is_none.py:own", "", "cannot be read as Python: No such file or directory"),
    "no Python": ("{file}:own", "own = =", "cannot be run: SyntaxError"),
    "an error in it": ("{file}:own", "own = 1 / 0", "cannot be run: ZeroDivisionError: division by zero"),
    "another name": ("{file}:other", OWN.format(""), "other is not in the file; StrategyKinds there: own"),
    "no record": ("{file}:own", "own = 3", "own is a int; no StrategyKind is there"),
    "a name that is taken": ("{file}:own", OWN.format("").replace("mine", "ring"), "its name is ring, which is taken"),
    "an unknown setting": (
        "{file}:own",
        OWN.format(", reads=('slices',)"),
        "StrategyKind.reads=slices: allowed: slice_bytes, wave_copies, call_rounds, barrier",
    ),
}
LAWLESS = {
    "a call that raises": ("own = StrategyKind('mine', lambda s, _: (), call=lambda s, _: s.nothing)", "call fails"),
    "too few numbers": ("own = StrategyKind('mine', lambda s, _: (s.slice[1:],))", "keys fails: ValueError: one whole"),
    "fractions": ("own = StrategyKind('mine', lambda s, _: (s.slice / 2,))", "keys fails: ValueError: one whole"),
    "calls below 0": ("own = StrategyKind('mine', lambda s, _: (), call=lambda s, _: -s.peer)", "must be at least 0"),
    "bytes pulled twice": (
        "def keys(s, _):\n    s.dst_offset[:] = 0\n    return ()\nown = StrategyKind('mine', keys)",
        "must pull every remote byte once",
    ),
}


def write(folder: Path, text: str) -> str:
    file = folder / "my_strategy.py"
    file.write_text(text)
    return str(file)


def custom(path: str, **values: object) -> SimConfig:
    return preset({"strategy.path": path, **values}, strategy="custom", model="deepseek_v3_lite_nvfp4")


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_strategy_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path, text, message = BROKEN[name]
    path = path.format(file=write(tmp_path, text))
    with pytest.raises(ConfigError) as refused:
        build_run(custom(path))
    assert str(refused.value).startswith("strategy.path=")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", LAWLESS)
def test_a_strategy_that_breaks_a_law_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    text, message = LAWLESS[name]
    kind = load_kind(f"{write(tmp_path, HEAD + text)}:own", "strategy.path")
    with pytest.raises(ConfigError, match=f"^strategy=mine: .*{message}") as refused:
        build_plan(SMALL, Placement.create(8, 4), Strategy(kind))
    assert "\n" not in str(refused.value)


def test_custom_needs_a_path_and_only_custom_reads_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"strategy\.path=missing: give it, as strategy\.path=my_strategy\.py:name"):
        build_run(preset(strategy="custom"))
    path = f"{write(tmp_path, OWN.format(''))}:own"
    with pytest.raises(ConfigError, match=r"strategy\.name=ring: reads no file"):
        build_run(preset({"strategy.path": path}, strategy="ring"))


def test_a_resolved_configuration_names_the_strategy_and_describes_the_same_job(tmp_path: Path) -> None:
    first = custom(f"{write(tmp_path, OWN.format(''))}:own")
    run = build_run(first)
    assert (run.config["strategy"]["name"], run.config["strategy"]["slice_bytes"]) == ("mine", None)
    again = build_run(replace(first, strategy=replace(first.strategy, **run.config["strategy"])))
    assert again.config_hash == run.config_hash


def test_the_file_counts_by_its_contents_wherever_it_is(tmp_path: Path) -> None:
    hashes = []
    for folder, text in (("a", OWN.format("")), ("b", OWN.format("")), ("c", OWN.format("") + "# changed\n")):
        (tmp_path / folder).mkdir()
        hashes.append(build_run(custom(f"{write(tmp_path / folder, text)}:own")).config_hash)
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[0] != build_run(preset(model="deepseek_v3_lite_nvfp4")).config_hash


def test_it_reaches_a_process_that_starts_afresh_as_it_was_read(tmp_path: Path) -> None:
    path = write(tmp_path, OWN.format(", reads=('slice_bytes',)"))
    strategy = Strategy(load_kind(f"{path}:own", "strategy.path"), slice_bytes=100)
    assert pickle.loads(pickle.dumps(strategy)) == strategy
    (tmp_path / "strategy.pickle").write_bytes(pickle.dumps(strategy))
    Path(path).unlink()
    code = (
        "import pickle, sys; from tests.dwdp_sim.plan.test_strategy_file import *\n"
        "plan = build_plan(SMALL, Placement.create(8, 4), pickle.load(open(sys.argv[1], 'rb')))\n"
        "print(plan.copy_peer.tolist())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "strategy.pickle")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == str(build_plan(SMALL, Placement.create(8, 4), strategy).copy_peer.tolist())


@pytest.mark.parametrize(("implementation", "size"), [("trtllm_ipc", 4), ("trtllm_vmm", 3), ("sglang", 8)])
@pytest.mark.parametrize("slice_bytes", [None, 100])
def test_copies_and_calls_are_counted_without_the_plan(
    implementation: str, size: int, slice_bytes: int | None, tmp_path: Path
) -> None:
    text = OWN.format(", reads=('slice_bytes', 'wave_copies', 'barrier')")
    kind = load_kind(f"{write(tmp_path, text)}:own", "strategy.path")
    strategy = Strategy(kind, implementation, slice_bytes, wave_copies=2, barrier="group")
    placement = Placement.create(24, size)
    plan = build_plan(SMALL, placement, strategy)
    assert count_calls(pulls_of(SMALL, placement, strategy), strategy) == (len(plan.copy_bytes), len(plan.call_rank))
    assert np.bincount(plan.copy_call).max() == 2
    assert sorted(set(plan.call_barrier.tolist())) == list(range(plan.call_barrier.max() + 1))
    assert plan.reads_one_source_a_call()
