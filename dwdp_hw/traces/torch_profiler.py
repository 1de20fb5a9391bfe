"""Read the copies in a Chrome trace that torch.profiler (Kineto) wrote, plain or gzipped.

The fields are those that Kineto's CuptiActivity.cpp and output_json.cpp (github.com/pytorch/kineto, libkineto/src)
write:

- A copy has cat `gpu_memcpy`, name `Memcpy <kind> (<memory> -> <memory>)`, ts and dur in microseconds, and args bytes,
  stream, correlation and device. A peer copy (`PtoP`) has args fromDevice, inDevice and toDevice instead of device.
- A host call has cat `cuda_runtime` or `cuda_driver`, the API's name, and args correlation.
- `deviceProperties` lists id and name; `baseTimeNanoseconds`, where present, is the zero of ts, so that the files of
  one host's ranks can be laid on one clock.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Mapping
from typing import Any

from dwdp_hw.traces.traced_copy import ApiCall, Trace, TracedCopy
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import MOST_BYTES, parse_json, read_data
from dwdp_sim.plan.endpoints import HOST

_NAME = re.compile(r"Memcpy (\w+) \(")
_KINDS = ("HtoD", "DtoH", "DtoD", "PtoP")
_RECORD = (
    "record with torch.profiler, activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], and export_chrome_trace"
)


def read_torch_profiler(path: str, process: int = 0) -> Trace:
    """Read the copies of a trace.

    Args:
        path: `.json` or `.json.gz`.
        process: Number to tell its streams and calls from those of other files.

    Raises:
        ConfigError: Not such a file, or something that is needed is missing.
    """
    content = _load(path)
    base_ns = int(content.get("baseTimeNanoseconds") or 0)
    events = [event for event in content["traceEvents"] if isinstance(event, Mapping) and event.get("ph") == "X"]
    try:
        calls = _calls(events, base_ns)
        records = [event for event in events if event.get("cat") == "gpu_memcpy"]
        copies = tuple(
            _copy(path, process, event, calls, base_ns) for event in records if _kind(event) in _KINDS and event["dur"]
        )
        names = {int(gpu["id"]): str(gpu["name"]) for gpu in content.get("deviceProperties") or ()}
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError("trace", path, f"a copy lacks {error} or has another type there; {_RECORD}") from error
    if not records:
        raise ConfigError("trace", path, f"has no events of category gpu_memcpy: {_RECORD}")
    notes = []
    if not calls:
        notes.append("no cuda_runtime events: when the host issued is not known, nor what was a batch")
    if len(copies) < len(records):
        notes.append(f"{len(records) - len(copies)} copies of other kinds or without times are left out")
    return Trace(path, "torch.profiler", names, copies, tuple(notes))


def _load(path: str) -> Mapping[str, Any]:
    data = read_data(path, "trace", "JSON")
    content = parse_json(_unzipped(data, path) if data[:2] == b"\x1f\x8b" else data, path, "trace")
    if isinstance(content, list):  # the Chrome format also allows the bare list
        content = {"traceEvents": content}
    if not isinstance(content, Mapping) or not isinstance(content.get("traceEvents"), list):
        raise ConfigError("trace", path, f"has no list traceEvents: {_RECORD}")
    return content


def _unzipped(data: bytes, path: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError("trace", path, f"cannot be read as JSON: {error}") from error
    if len(found) > MOST_BYTES:
        raise ConfigError("trace", path, f"has more than {MOST_BYTES} bytes unzipped, which is more than is read")
    return found


def _kind(event: Mapping[str, Any]) -> str | None:
    found = _NAME.match(str(event.get("name")))
    return found[1] if found else None


def _calls(events: list[Mapping[str, Any]], base_ns: int) -> dict[int, ApiCall]:
    wanted = [
        event
        for event in events
        if event.get("cat") in ("cuda_runtime", "cuda_driver")
        and re.search("Memcpy|GraphLaunch", str(event.get("name")))
        and "correlation" in event.get("args", {})
    ]
    calls: dict[int, ApiCall] = {}
    for event in sorted(wanted, key=lambda event: (event["ts"], -event["dur"])):
        # A driver call within a runtime call may share its number: the outer one counts.
        calls.setdefault(int(event["args"]["correlation"]), ApiCall(str(event["name"]), *_times_ns(event, base_ns)))
    return calls


def _copy(path: str, process: int, event: Mapping[str, Any], calls: Mapping[int, ApiCall], base_ns: int) -> TracedCopy:
    args = event["args"]
    kind = _kind(event)
    if kind == "PtoP":
        missing = [name for name in ("fromDevice", "toDevice") if name not in args]
        if missing:
            wanted = "it says whose memory a peer copy moves; record with a newer PyTorch"
            raise ConfigError("trace", path, f"a peer copy has no args.{missing[0]}: {wanted}")
        src, dst = int(args["fromDevice"]), int(args["toDevice"])
        gpu = int(args.get("inDevice", args.get("device", dst)))
    else:
        gpu = int(args["device"])
        src, dst = HOST if kind == "HtoD" else gpu, HOST if kind == "DtoH" else gpu
    start_ns, end_ns = _times_ns(event, base_ns)
    correlation = int(args.get("correlation", 0))
    return TracedCopy(
        process=process,
        gpu=gpu,
        stream=int(args["stream"]),
        src=src,
        dst=dst,
        bytes=int(args["bytes"]),
        start_ns=start_ns,
        end_ns=end_ns,
        correlation=correlation,
        call=calls.get(correlation),
    )


def _times_ns(event: Mapping[str, Any], base_ns: int) -> tuple[int, int]:
    start_ns = base_ns + round(event["ts"] * 1000)
    return start_ns, start_ns + round(event["dur"] * 1000)
