"""Read the traces that a configuration names, and check that they can be replayed on its cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegaconf import DictConfig

from dwdp_hw.job.schema import HwConfig
from dwdp_hw.traces.bursts import Burst, find_bursts
from dwdp_hw.traces.nsys import read_nsys
from dwdp_hw.traces.torch_profiler import read_torch_profiler
from dwdp_hw.traces.trace_rows import left_out, program_content
from dwdp_hw.traces.traced_copy import TOO_MANY, Trace, TracedCopy
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import read_start
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.config_values import read_values
from dwdp_sim.job.groups import build_cluster
from dwdp_sim.job.make import check_seed
from dwdp_sim.plan.endpoints import HOST
from dwdp_sim.plan.program_file import MOST_COPIES, program_from_dict

_SQLITE = b"SQLite format 3\x00"


@dataclass(frozen=True)
class ImportJob:
    """Checked traces.

    Attributes:
        traces: One for each file.
        copies: Of all files, GPUs renumbered from 0.
        gpus: For each of these GPUs, its number in the trace.
        gpu_name: Of the first of them.
        bursts: The copies of the kind that the cluster's experts move by.
        notes: What a reader of the result must know.
        cluster: Whose constants predict.
        options: The model's rules.
        seed: Of everything random.
    """

    traces: tuple[Trace, ...]
    copies: tuple[TracedCopy, ...]
    gpus: tuple[int, ...]
    gpu_name: str
    bursts: tuple[Burst, ...]
    notes: tuple[str, ...]
    cluster: Cluster
    options: FabricOptions
    seed: int


def build_import(composed: DictConfig) -> ImportJob:
    """Check a composed configuration and read its traces.

    Raises:
        ConfigError: Something in it cannot be used, or the trace lacks what is needed.
    """
    config = read_import_config(composed)
    return job_of_traces(config, [read_trace(path, process) for process, path in enumerate(trace_paths(config.trace))])


def read_import_config(composed: DictConfig) -> HwConfig:
    """Return the checked values that an import reads.

    Raises:
        ConfigError: One cannot be used.
    """
    config: HwConfig = read_values(composed)
    check_seed(config.seed)
    if not config.check.burst_gap_s > 0:
        raise ConfigError("check.burst_gap_s", config.check.burst_gap_s, "seconds above 0 are wanted, such as 200e-6")
    return config


def job_of_traces(config: HwConfig, traces: Sequence[Trace]) -> ImportJob:
    """Check that traces can be replayed on the cluster, and find their bursts.

    Raises:
        ConfigError: They cannot.
    """
    cluster = build_cluster(config.cluster)
    paths = [trace.path for trace in traces]
    copies = [copy for trace in traces for copy in trace.copies]
    wanted, strange = _replayable(copies, cluster.home)
    if not wanted:
        found = ", ".join(f"{count} {kind}" for kind, count in Counter(copy.kind for copy in copies).items())
        allowed = f"has no {cluster.home} copies, which cluster.home={cluster.home} asks for; it has: {found or 'none'}"
        raise ConfigError("trace", ", ".join(paths), allowed)
    if len(copies) > MOST_COPIES:
        raise ConfigError("trace", ", ".join(paths), f"has {len(copies)} copies; {TOO_MANY}")
    gpus = sorted({end for copy in wanted for end in (copy.gpu, copy.src, copy.dst)} - {HOST})
    if len(gpus) > cluster.num_gpus:
        allowed = f"the trace's copies are between {len(gpus)} GPUs; choose a cluster with as many"
        raise ConfigError("cluster.num_gpus", cluster.num_gpus, allowed)
    bursts = tuple(find_bursts([_renumbered(copy, gpus) for copy in wanted], config.check.burst_gap_s))
    options = FabricOptions(**vars(config.fabric))
    constants_for(cluster, program_from_dict(program_content(bursts), len(gpus), paths[0]), options)  # all there?
    names = {gpu: name for trace in reversed(traces) for gpu, name in trace.gpu_names.items()}
    notes = [note for trace in traces for note in trace.notes]
    if strange:
        notes.append(f"{strange} copies between two GPUs other than the stream's own are left out")
    return ImportJob(
        traces=tuple(traces),
        copies=tuple(copies),
        gpus=tuple(gpus),
        gpu_name=names.get(gpus[0], "not named in the trace"),
        bursts=bursts,
        notes=(*dict.fromkeys(notes), *_about(copies, bursts, cluster.home)),
        cluster=cluster,
        options=options,
        seed=config.seed,
    )


def read_trace(path: str, process: int = 0) -> Trace:
    """Read a trace of either kind; its contents decide which.

    Raises:
        ConfigError: Neither of them, or something in it is missing.
    """
    if path.endswith((".nsys-rep", ".qdrep")):
        raise ConfigError("trace", path, f"export it first: nsys export --type sqlite {path}")
    start = read_start(path, "trace", "a trace", len(_SQLITE))
    return read_nsys(path) if start == _SQLITE else read_torch_profiler(path, process)


def trace_paths(trace: Any) -> list[str]:
    """Return the files or folders that `trace` names.

    Raises:
        ConfigError: It names none, or one twice.
    """
    if not trace:
        raise ConfigError("trace", "missing", "an Nsight Systems SQLite export or a torch.profiler JSON, as trace=FILE")
    paths = [str(path) for path in (trace if isinstance(trace, list) else [trace])]
    for index, path in enumerate(paths):
        if path in paths[:index]:
            raise ConfigError("trace", path, "is listed twice")
    return paths


def _replayable(copies: Sequence[TracedCopy], kind: str) -> tuple[list[TracedCopy], int]:
    """Copies of this kind, and how many more there are whose stream belongs to a third GPU."""
    own = [copy for copy in copies if copy.kind == kind]
    wanted = [copy for copy in own if copy.gpu in (copy.src, copy.dst)]
    return wanted, len(own) - len(wanted)


def _renumbered(copy: TracedCopy, gpus: Sequence[int]) -> TracedCopy:
    numbers: Mapping[int, int] = {HOST: HOST, **{gpu: index for index, gpu in enumerate(gpus)}}
    return replace(copy, gpu=numbers[copy.gpu], src=numbers[copy.src], dst=numbers[copy.dst])


def _about(copies: Sequence[TracedCopy], bursts: Sequence[Burst], kind: str) -> list[str]:
    """What replaying these copies leaves out."""
    notes = []
    if later := left_out(bursts):
        notes.append(f"program.json is of one second: {later} of {len(bursts)} bursts begin later; rows.json has all")
    others = Counter(copy.kind for copy in copies if copy.kind != kind)
    if others:
        listed = ", ".join(f"{count} {other}" for other, count in sorted(others.items()))
        notes.append(f"not replayed: {listed} copies (listed in copies.csv)")
    lone = sum(
        batched and len(call) == 1
        for burst in bursts
        for part in burst
        for call, batched in zip(part.calls, part.is_batched, strict=True)
    )
    if lone:
        notes.append(f"{lone} batches have one record each: if it stands for many copies, their host time is not seen")
    if any(part.calls[0][0].call is None for burst in bursts for part in burst):
        notes.append("some copies have no host call: they count as queued, single copies unless they share a number")
    return notes
