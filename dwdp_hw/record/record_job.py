"""Read the records that a configuration names, and build what is said of them: plan, program, times, notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegaconf import DictConfig

from dwdp_hw.job.schema import HwConfig
from dwdp_hw.record.device_times import device_traces, without_times
from dwdp_hw.record.groups import Issued, groups_of
from dwdp_hw.record.inside.cuda_calls import FUNCTIONS
from dwdp_hw.record.inside.torch_copies import NAMES
from dwdp_hw.record.layer_program import layer_program
from dwdp_hw.record.layers import IssuedCall, Prefetch, find_prefetches, is_batch, issued_calls
from dwdp_hw.record.reading import Record, read_records
from dwdp_hw.record.recognition import Verdict, by_model, by_structure
from dwdp_hw.record.schema import Call
from dwdp_hw.traces.importing import ImportJob, job_of_traces, read_import_config, trace_paths
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.groups import build_cluster, build_model, build_placement
from dwdp_sim.job.job import ReplayJob
from dwdp_sim.job.make import make_replay_job
from dwdp_sim.job.resolve import explicit_keys, resolve
from dwdp_sim.job.start_times import Starts
from dwdp_sim.plan.endpoints import HOST, link_kind
from dwdp_sim.plan.program_file import program_from_dict


@dataclass(frozen=True)
class RecordJob:
    """Checked records of one run.

    Attributes:
        folder: Where they are.
        records: Of its processes.
        prefetches: What was pulled over the cluster's kind of link.
        groups: Which rank did what.
        structure: The plan of each group, recognised from the order alone.
        planned: The same with the plans of the model that the user gave; None without.
        model_name: That model's name.
        gpus: For each GPU of the program, its number in the run.
        content, replay: One layer of each rank, as a replay file has it, and ready to run, started as ranks start.
        device: What has device times; None if nothing has.
        notes: What a reader must know: above all what was not seen.
    """

    folder: str
    records: tuple[Record, ...]
    prefetches: tuple[Prefetch, ...]
    groups: tuple[Issued, ...]
    structure: tuple[Verdict, ...]
    planned: tuple[Verdict, ...] | None
    model_name: str
    gpus: tuple[int, ...]
    content: dict[str, Any]
    replay: ReplayJob
    device: ImportJob | None
    notes: tuple[str, ...]


def build_record_job(composed: DictConfig, overrides: Sequence[str]) -> RecordJob:
    """Check a composed configuration whose `trace` is a folder of records, and read them.

    Raises:
        ConfigError: Something in it cannot be used, or no copy of the wanted kind was recorded.
    """
    config = read_import_config(composed)
    (folder,) = trace_paths(config.trace)
    cluster, options = build_cluster(config.cluster), FabricOptions(**vars(config.fabric))
    records = read_records(folder)
    found = find_prefetches(records, cluster.home)
    prefetches = tuple(part for part in found if part.repeats) or found  # what never comes again loads an engine
    if not prefetches:
        allowed = f"has no {cluster.home} copies into a GPU, which cluster.home={cluster.home} asks for; it has: "
        raise ConfigError("trace", folder, allowed + _what_there_is(records))
    gpus = sorted({end for part in prefetches for call in part.layer for end in (*call.src, *call.dst)} - {HOST})
    if len(gpus) > cluster.num_gpus:
        allowed = f"the recorded copies are between {len(gpus)} GPUs; choose a cluster with as many"
        raise ConfigError("cluster.num_gpus", cluster.num_gpus, allowed)
    groups = groups_of(prefetches, cluster.home)
    content = layer_program(prefetches, gpus)
    program = program_from_dict(content, len(gpus), folder)
    replay = make_replay_job(program, cluster, options, starts=Starts(), seed=config.seed)
    planned = _planned(config, explicit_keys(overrides), groups)
    traces, missing = device_traces(records)
    return RecordJob(
        folder=folder,
        records=records,
        prefetches=prefetches,
        groups=groups,
        structure=tuple(map(by_structure, groups)),
        planned=planned,
        model_name=str(config.model.name),
        gpus=tuple(gpus),
        content=content,
        replay=replay,
        device=job_of_traces(config, traces) if traces else None,
        notes=(*_not_seen(records, groups, cluster.home), *_about(records, prefetches, found), *missing),
    )


def _planned(config: HwConfig, explicit: set[str], groups: Sequence[Issued]) -> tuple[Verdict, ...] | None:
    """The verdicts with a model, if the user gave one."""
    if not any(key == "model" or key.startswith("model.") for key in explicit):
        return None
    size = groups[0].size
    if "dwdp.dwdp_size" not in explicit and "dwdp.trtllm_yaml" not in explicit:
        config = replace(config, dwdp=replace(config.dwdp, dwdp_size=size))
    resolved = resolve(config, explicit)
    model = build_model(resolved.model)
    placement = build_placement(resolved.dwdp, model)
    wrong = next((group.size for group in groups if group.size != placement.dwdp_size), None)
    if wrong is not None:
        allowed = f"a group of {wrong} ranks was recorded or read from; a model is compared with groups of one size"
        raise ConfigError("dwdp.dwdp_size", placement.dwdp_size, allowed)
    return tuple(by_model(group, model, placement) for group in groups)


def _not_seen(records: Sequence[Record], groups: Sequence[Issued], home: str) -> list[str]:
    """Every way of copying that nobody used, and every rank that was not recorded."""
    used = Counter(call.name for record in records for call in record.calls)
    watched = {name for record in records for names in record.watched.values() for name in names}
    notes = [f"no {name} call was seen" for name in FUNCTIONS if not used[name] and name in watched]
    if not watched & set(FUNCTIONS):
        notes.append("no process imported cuda.bindings.runtime: copies through it cannot have been made")
    if not any(used[name] for name in NAMES):
        notes.append("no copy of a torch tensor to, from or within a GPU was seen")
    recorded, ranks = sum(len(group.prefetches) for group in groups), sum(group.size for group in groups)
    if home == "peer" and recorded < ranks:
        notes.append(f"{recorded} of {ranks} ranks recorded")
    return notes


def _about(records: Sequence[Record], prefetches: Sequence[Prefetch], found: Sequence[Prefetch]) -> list[str]:
    notes = []
    once = sum(len(layer) for part in found if part not in prefetches for layer in part.layers)
    if once:
        notes.append(f"{once} calls on streams on which nothing comes again are left out")
    failed = Counter((call.name, call.code) for record in records for call in record.calls if call.code)
    notes += [f"{count} {name} calls returned code {code} and are left out" for (name, code), count in failed.items()]
    killed = sum(record.end is None for record in records)
    if killed:
        notes.append(f"{killed} of {len(records)} processes did not end by themselves: their last calls may be missing")
    ends = [record.end for record in records if record.end is not None]
    for name, why in {
        "lost": "calls were lost: too many waited to be written",
        "left_out": "calls are beyond what a record holds",
        "unread": "calls had arguments that could not be read",
        "converted": "copies of torch tensors were converted or strided: kernels made them",
    }.items():
        count = sum(getattr(end, name) for end in ends)
        notes += [f"{count} {why}"] if count else []
    unknown = sum(issued is None for record in records for issued, _ in _with_memory(record))
    if unknown:
        notes.append(
            f"{unknown} calls read or wrote memory that is neither a GPU's nor pinned, not known, or of a process that "
            "was not recorded: not replayed"
        )
    notes += [f"GPU {part.gpu}: no layer came twice; all calls count as one" for part in prefetches if not part.repeats]
    notes += [f"GPU {part.gpu}: {part.rest} calls make no whole layer" for part in prefetches if part.rest]
    for gpu, streams in Counter(part.gpu for part in prefetches).items():
        notes += [f"GPU {gpu}: copies on {streams} streams; the plan is that of the busiest"] if streams > 1 else []
    return [*notes, *(f"no device times: {why}" for why in without_times(records))]


def _what_there_is(records: Iterable[Record]) -> str:
    kinds: Counter[str] = Counter()
    for record in records:
        for issued, call in _with_memory(record):
            if issued is None or call.code:
                kinds["failed, of unknown memory, or of memory of a process that was not recorded"] += 1
            else:
                kinds[link_kind(issued.src[0], issued.dst[0])] += 1
    calls = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"calls {calls}" if calls else "no call at all"


def _with_memory(record: Record) -> Iterator[tuple[IssuedCall | None, Call]]:
    """Each call, and what an executor sees of it; None where its memory is not known."""
    known = issued_calls(record)
    for call in record.calls:
        yield known.get((call.copies, is_batch(call))), call
