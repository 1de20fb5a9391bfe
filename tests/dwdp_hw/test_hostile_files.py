"""Files from outside, mutated a hundred ways a kind: each is refused in one line, or read as something finite."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

import dwdp_sim as dwdp
from dwdp_hw.bundle.archive import CONSTANTS, REPORT, pack, unpack
from dwdp_hw.bundle.check import check_bundle
from dwdp_hw.bundle.make import Sources, make_bundle
from dwdp_hw.bundle.opened import open_bundle
from dwdp_hw.job.schema import HwConfig, register_hw_schemas
from dwdp_hw.record.reading import read_record
from dwdp_hw.rows.file import measurement_file
from dwdp_hw.rows.predict import predict_mean_s
from dwdp_hw.rows.predict_steps import predict_steps
from dwdp_hw.rows.recording import pool, read_recording
from dwdp_hw.run.expectations import read_expectations
from dwdp_hw.traces.importing import build_import
from dwdp_hw.traces.report import run_import
from dwdp_hw.validation.gate import read_bands
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.terminal import TextConsole
from dwdp_sim.base.user_file import read_data
from dwdp_sim.diff.clusters import read_cluster_side
from dwdp_sim.diff.compare import compare
from dwdp_sim.diff.runs import read_run_side
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.presets import read_cluster
from dwdp_sim.job.trtllm_file import read_dwdp_block
from dwdp_sim.nvbandwidth.judge import judge_files
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import DEFAULT
from dwdp_sim.plan.program_file import program_from_dict, read_program
from dwdp_sim.steps.requests import RequestLoad, draw_steps, read_lengths
from dwdp_sim.steps.windows import windows_from_file
from dwdp_sim.sweep.page.measured_rows import read_measured
from tests.dwdp_hw.record.record_files import lines_of_rank
from tests.dwdp_hw.traces.trace_files import Record, write_nsys, write_torch
from tests.dwdp_sim.model.test_huggingface import FAMILIES
from tests.dwdp_sim.nvbandwidth.test_judge import GH200
from tests.hostile_files import as_json, mutated_bytes, mutated_trees, yaml_bombs

MEASUREMENTS = Path(__file__).resolve().parents[2] / "measurements"
LONGEST_S = 5
MOST_GROWTH_BYTES = 400 << 20  # of the process, over all files of a kind
SUMMARY = {
    "model": "m", "prefetch_latency_s": {"mean": 0.01, "p95": 0.02}, "draw_spread": 0.1, "lower_bound_s": 0.005,
    "ranks": [{"rank": 0, "prefetch_latency_s": 0.01, "min_s": 0.009, "max_s": 0.011}], "streams": [{"elapsed_s": 0.5}],
    "figures": {"iteration_s": {"mean": 0.1, "half_width": 0.01}},
}  # fmt: skip
_ROWS = "rows/validation_1.json"
PROGRAM = {"streams": [
    {"gpu": 0, "start_s": 0.0, "queued": True, "calls": [
        {"issue": "async", "src": "gpu1", "dst": "gpu0", "bytes": 1048576, "count": 3},
        {"issue": "batch", "copies": [{"src": "gpu1", "dst": "gpu0", "bytes": 2097152, "count": 2}]}]},
    {"gpu": 1, "calls": [{"issue": "async", "src": "gpu0", "dst": "gpu1", "bytes": 4096}]},
]}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of file: one that is right, its name, and what reads it and uses what it read."""

    right: Any
    use: Callable[[str], Any]
    name: str = "file.json"
    is_tree: bool = True

    @property
    def data(self) -> bytes:
        return as_json(self.right) if self.is_tree else self.right


@cache
def _cluster(name: str = "h200_x2") -> Cluster:
    return read_cluster(name)


def _replayed(path: str) -> Any:
    program = read_program(path, 2)
    if len(program.copy_bytes) > 1000:
        return program
    return simulate(program, constants_for(_cluster(), program, FabricOptions())).stream_elapsed_s


def _recorded(path: str) -> Any:
    recording = read_recording(path)
    cluster = _cluster("h200_x2" if recording.machine["gpus"] == 2 else "h100_x1_host")
    few = [row for row in pool([recording]) if len(row.program.copy_bytes) <= 100]
    return (
        recording,
        [predict_mean_s(row, cluster, FabricOptions()) for row in few if row.mapping in (None, "ipc")],
        [predict_steps(step, cluster, FabricOptions()) for step in recording.steps],
    )


def _requested(path: str) -> Any:
    return draw_steps(RequestLoad(lengths=read_lengths(path)), 2, 3, 0)


def _used_cluster(path: str) -> Any:
    cluster, program = dwdp.load_cluster(path), program_from_dict(PROGRAM, 2)
    return simulate(program, constants_for(cluster, program, FabricOptions())).stream_elapsed_s


def _compared_cluster(path: str) -> Any:
    side = read_cluster_side(path)
    assert side is not None
    return compare(side, side)


def _compared_run(path: str) -> Any:
    side = read_run_side(str(Path(path).parent))
    if side is None:
        raise ConfigError("diff", path, "no run")
    return compare(side, side)


@cache
def _import_config() -> DictConfig:
    register_hw_schemas()
    return compose("hw", HwConfig, ["mode=import", "cluster=h200_x2"], [str(config_dir())])


def _imported(path: str) -> Any:
    config = _import_config().copy()
    OmegaConf.update(config, "trace", path)
    return run_import(build_import(config), Path(path).parent / "import", TextConsole(file=io.StringIO()))


def _recording(rows: int, name: str, measure: str = "layer") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MEASUREMENTS / name).read_text(encoding="utf-8"))
    small = [
        row
        for row in content["rows"]
        if sum(part["n"] for part in row.get("copies_bytes", [])) < 100 and row.get("measure", measure) == measure
    ]
    return content | {"rows": small[:rows]}


def _folded() -> dict[str, Any]:
    """A file of today's format, with streams."""
    stream = {"start_us": 0.0, "issue": "batch", "calls": [[1, 4]], "barriers": False}
    row = {
        "case": "folded", "measure": "layer", "queued_behind_gate": True, "stable": True, "unstable_reason": None,
        "start_skew_us": {"median": 0.5, "max": 1.0}, "issue_mode": "queued", "mapping": "ipc", "calls": [1, 1],
        "device_us": [{"median": 50.0, "min": 49.0, "max": 51.0}] * 2, "start_us_runs": [[0.0, 0.1], [0.2, 0.0]],
        "device_us_runs": [[49.0, 50.0, 51.0]] * 2, "host_us": [5.0, 5.0],
        "arrival_us": [{"copies": [1.0, 2.0, 3.0, None], "call_ends": [1.0]}] * 2,
        "streams": [{"gpu": 0, "pulls": [[2, [[1, 4096], [1, 8192]]]], **stream},
                    {"gpu": 1, "pulls": [[4, [[0, 4096]]]], **stream}],
    }  # fmt: skip
    return json.loads(measurement_file({"gpus": 2, "gpu": "H200", "driver": "1"}, "", [row], []))  # type: ignore[list-item]


@cache
def _bundle() -> dict[str, bytes]:
    """The parts of a small bundle."""
    rows = _recording(2, "h200_x2_validation_1.json")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
        cluster = str(config_dir() / "cluster" / "h200_x2.yaml")
        (Path(folder) / "b.zip").write_bytes(make_bundle(Sources((str(path),), cluster)))
        return unpack(str(Path(folder) / "b.zip"))[2]


def _packed(**changed: bytes) -> bytes:
    """The small bundle, with parts of another content."""
    machine = json.loads(_bundle()[_ROWS])["machine"]
    return pack("0.1.0", machine, {name: changed.get(name, data) for name, data in _bundle().items()})


def _opened(path: str) -> Any:
    bundle = open_bundle(path)
    return bundle, check_bundle(bundle, refit=False)


def _opened_with(name: str) -> Callable[[str], Any]:
    """Open a bundle whose manifest is right and one of whose parts is the file."""

    def use(path: str) -> Any:
        packed = Path(path).parent / "bundle.zip"
        packed.write_bytes(_packed(**{name: read_data(path, "bundle", "part")}))
        return _opened(str(packed))

    return use


def _traced(folder: Path, write: Callable[[Path, list[Record]], Path], name: str) -> bytes:
    records = [
        Record(0, 1, 0, 1 << 20, 2_000 + 400_000 * i, 302_000 + 400_000 * i, 3 + i, ("cudaMemcpyAsync", 100, 200))
        for i in range(4)
    ]
    return write(folder / name, records).read_bytes()


def _recorded_calls() -> bytes:
    """A record of the recorder."""
    strategy = dwdp.Strategy(DEFAULT, "sglang")
    plan = build_plan(dwdp.MoEModel("m", 64, 48, 4, 1, 2, 2, "nvfp4"), dwdp.Placement.create(4, 2), strategy)
    return "".join(json.dumps(line) + "\n" for line in lines_of_rank(plan, 0)).encode()


def kinds(folder: Path) -> dict[str, Kind]:
    """Every kind of file that comes from outside, but Python, which is what it does."""
    validation = {
        "case": "one", "strategy": "batched", "issue_mode": "queued", "ranks": 2, "bytes": 4096, "slice_bytes": 4096,
        "measured_s": 1e-3, "measured_min_s": 9e-4, "measured_max_s": 2e-3, "stable": True,
    }  # fmt: skip
    windows = {"lead_s": [[0.1]] * 2, "before_s": [[[0.1, 0.2]]] * 2, "moe_s": [[[0.1, 0.2]]] * 2, "tokens": [[5]] * 2}
    expectation = {"hypotheses": ["a"], "mean_s": [0.1, 0.2], "draws_s": [[0.1, 0.2]]}
    pairs = {"name": "device_to_device_memcpy_read_ce", "bandwidth_matrix": [["N/A", "390.1"], ["391.2", "N/A"]]}
    sums = {"name": "all_to_one_read_ce", "bandwidth_matrix": [["380.1", "381.5"]]}
    cluster = yaml.safe_load((config_dir() / "cluster" / "h200_x2.yaml").read_text(encoding="utf-8"))
    model = yaml.safe_load((config_dir() / "model" / "mixtral_8x7b_bf16.yaml").read_text(encoding="utf-8"))
    cluster.pop("defaults", None)
    model.pop("defaults", None)
    trtllm = {
        "ctx": {"dwdp_config": {"dwdp_size": 3, "num_groups": 1, "num_prefetch_experts": 85, "contention_opt": True}}
    }
    torch = json.loads(_traced(folder, write_torch, "right.json"))
    return {
        "program": Kind(PROGRAM, _replayed),
        "rows": Kind(_folded(), _recorded),
        "rows of format 1": Kind(_recording(2, "h200_x2_ipc.json"), _recorded),
        "rows of format 2": Kind(_recording(1, "h200_x2_witness.json"), _recorded),
        "rows of pipelines": Kind(_recording(1, "h200_x1_pipelines.json", "pipeline"), _recorded),
        "Hugging Face, latent": Kind(FAMILIES["deepseek_r1_nvfp4"], lambda path: dwdp.load_model(path, "nvfp4")),
        "Hugging Face, grouped": Kind(FAMILIES["gpt_oss_120b_mxfp4"], lambda path: dwdp.load_model(path, "mxfp4")),
        "TensorRT-LLM": Kind(trtllm, read_dwdp_block, "file.yaml"),
        "windows": Kind(windows, windows_from_file),
        "lengths": Kind([12, 8000, 3], _requested),
        "lengths by line": Kind(b"12\n8000\n3\n", _requested, is_tree=False),
        "cluster": Kind(cluster, _used_cluster, "file.yaml"),
        "compared cluster": Kind(cluster, _compared_cluster, "file.yaml"),
        "compared run": Kind(SUMMARY, _compared_run, "summary.json"),
        "model": Kind(model, dwdp.load_model, "file.yaml"),
        "nvbandwidth, JSON": Kind(
            {"nvbandwidth": {"testcases": [pairs, sums]}}, lambda path: judge_files([path], [16])
        ),
        "nvbandwidth, text": Kind(Path(GH200).read_bytes(), lambda path: judge_files([path], [16]), is_tree=False),
        "validation": Kind({"cluster": "h200_x2", "rows": [validation]}, lambda path: read_measured([Path(path)])),
        "predictions": Kind({"one": [expectation]}, read_expectations),
        "bundle": Kind(_packed(), _opened, "file.zip", is_tree=False),
        "rows of a bundle": Kind(_bundle()[_ROWS], _opened_with(_ROWS), is_tree=False),
        "constants of a bundle": Kind(_bundle()[CONSTANTS], _opened_with(CONSTANTS), "file.yaml", is_tree=False),
        "report of a bundle": Kind(_bundle()[REPORT], _opened_with(REPORT), is_tree=False),
        "bands": Kind({"rows.json": {"cluster": "h200_x2", "errors": {"a": 0.1}}}, read_bands),
        "torch.profiler": Kind(torch, _imported),
        "torch.profiler, gzipped": Kind(_traced(folder, write_torch, "right.json.gz"), _imported, is_tree=False),
        "record": Kind(_recorded_calls(), read_record, "record-0123456789ab.jsonl", is_tree=False),
        "Nsight Systems": Kind(_traced(folder, write_nsys, "right.sqlite"), _imported, is_tree=False),
    }


NAMES = (
    "program", "rows", "rows of format 1", "rows of format 2", "rows of pipelines", "Hugging Face, latent",
    "Hugging Face, grouped", "TensorRT-LLM", "windows", "lengths", "lengths by line", "cluster", "compared cluster",
    "compared run", "model",
    "nvbandwidth, JSON", "nvbandwidth, text", "validation", "predictions", "bundle", "rows of a bundle",
    "constants of a bundle", "report of a bundle", "bands", "torch.profiler",
    "torch.profiler, gzipped", "record", "Nsight Systems",
)  # fmt: skip


def mutations(kind: Kind, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    if kind.is_tree:
        yield from mutated_trees(kind.right, count, seed)
    yield from mutated_bytes(kind.data, count // 3 if kind.is_tree else count, seed)
    if kind.name.endswith("yaml"):
        yield from yaml_bombs()


@contextmanager
def ended_after(seconds: int) -> Iterator[None]:
    """A reader that hangs fails its test instead."""

    def end(number: int, frame: object) -> None:
        raise TimeoutError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(kind: Kind, path: Path) -> str:
    """`refused` or `read`, or what was wrong with either."""
    try:
        with ended_after(LONGEST_S):
            found = kind.use(str(path))
    except ConfigError as error:
        return "refused" if str(error).isprintable() and len(str(error)) < 2000 else f"no line: {str(error)[:300]!r}"
    except Exception as error:  # whatever a reader lets through is what this looks for
        return f"{type(error).__name__}: {str(error)[:300]}"
    return "read" if is_finite(found) else f"not finite: {found!r}"[:300]


def is_finite(found: Any) -> bool:
    """Whether every number inside is finite; NaN stands for a copy that was not seen to arrive."""
    if isinstance(found, float | np.floating | np.ndarray):
        return not np.isinf(np.asarray(found, dtype=float)).any()
    if is_dataclass(found):
        return all(is_finite(getattr(found, field.name)) for field in fields(found))
    if isinstance(found, dict):
        return all(map(is_finite, found.values()))
    return not isinstance(found, list | tuple) or all(map(is_finite, found))


def checked(name: str, folder: Path, count: int, seed: int) -> Counter[str]:
    """How many mutations of a kind were refused and read; anything else fails."""
    kind = kinds(folder)[name]
    path = folder / kind.name
    path.write_bytes(kind.data)
    assert outcome(kind, path) == "read"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: Counter[str] = Counter()
    wrong = []
    for what, data in mutations(kind, count, seed):
        path.write_bytes(data)
        said = outcome(kind, path)
        found[said] += 1
        if said not in ("refused", "read"):
            wrong.append(f"{what}: {said}")
    assert not wrong, "\n".join([f"{len(wrong)} of {found.total()} {name} files", *wrong[:20]])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_GROWTH_BYTES
    print(f"{name}: {found['refused']} refused, {found['read']} read")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_few_mutated_files_of_a_kind_are_refused_in_one_line_or_read_as_something_finite(
    name: str, tmp_path: Path
) -> None:
    assert checked(name, tmp_path, 8, seed=1).total() >= 17


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_mutated_files_of_a_kind_are_refused_in_one_line_or_read_as_something_finite(name: str, tmp_path: Path) -> None:
    found = checked(name, tmp_path, 60, seed=2)
    assert found.total() >= 69
    assert found["refused"] >= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_hundreds_of_mutated_files_of_a_kind_are_refused_or_read(name: str, tmp_path: Path) -> None:
    assert checked(name, tmp_path, 500, seed=3).total() >= 500


def test_the_kinds_are_those_that_are_listed(tmp_path: Path) -> None:
    assert tuple(kinds(tmp_path)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_file_is_refused_by_every_reader_at_once(name: str, tmp_path: Path) -> None:
    kind = kinds(tmp_path)[name]
    paths = [tmp_path / part / kind.name for part in ("pipe", "folder", "dangling", "loop", "device")]
    for path in paths:
        path.parent.mkdir()
    os.mkfifo(paths[0])
    paths[1].mkdir()
    paths[2].symlink_to("nothing")
    paths[3].symlink_to(paths[3])
    paths[4].symlink_to("/dev/zero")
    assert [outcome(kind, path) for path in paths] == ["refused"] * len(paths)
