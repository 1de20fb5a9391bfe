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
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Raw, Struct

from dwdp_hw.traces.traced_copy import ApiCall, Gpu, Number, Trace, TracedCopy
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.typed_file import Name, decode_json
from dwdp_sim.base.user_file import read_data
from dwdp_sim.plan.endpoints import HOST

MOST_TRACE_BYTES = 1 << 30  # unzipped; what is not a copy or a call is dropped while it is read

_NAME = re.compile(r"Memcpy (\w+) \(")
_CALL = re.compile("Memcpy|GraphLaunch")
_KINDS = ("HtoD", "DtoH", "DtoD", "PtoP")
_RECORD = (
    "record with torch.profiler, activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], and export_chrome_trace"
)


_Time = Annotated[int, Meta(ge=-(2**53), le=2**53)] | Annotated[float, Meta(ge=-(2**53), le=2**53)]
"""Microseconds."""

_Duration = Annotated[int, Meta(ge=0, le=2**53)] | Annotated[float, Meta(ge=0, le=2**53)]


class _Args(Struct):
    bytes: Number | None = None
    stream: Number | None = None
    correlation: Number = 0
    device: Gpu | None = None
    fromDevice: Gpu | None = None
    inDevice: Gpu | None = None
    toDevice: Gpu | None = None


class _Event(Struct, gc=False):
    ph: str = ""
    cat: str = ""
    name: str = ""
    ts: _Time | None = None
    dur: _Duration | None = None
    args: Raw = Raw(b"{}")


class _Device(Struct):
    id: Gpu
    name: Name


class _File(Struct):
    traceEvents: list[_Event]
    deviceProperties: list[_Device] | None = None
    baseTimeNanoseconds: Number | None = None


def read_torch_profiler(path: str, process: int = 0) -> Trace:
    """Read the copies of a trace.

    Args:
        path: `.json` or `.json.gz`.
        process: Number to tell its streams and calls from those of other files.

    Raises:
        ConfigError: Not such a file, or something that is needed is missing.
    """
    data = read_data(path, "trace", "JSON", MOST_TRACE_BYTES)
    content = decode_json(
        _unzipped(data, path) if data[:2] == b"\x1f\x8b" else data, _File | list[_Event], path, "trace"
    )
    file = content if isinstance(content, _File) else _File(content)  # the Chrome format also allows the bare list
    return _Reader(path, process, file).read()


def _unzipped(data: bytes, path: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(MOST_TRACE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError("trace", path, f"cannot be read as JSON: {error}") from error
    if len(found) > MOST_TRACE_BYTES:
        raise ConfigError("trace", path, f"has more than {MOST_TRACE_BYTES} bytes unzipped, which is more than is read")
    return found


class _Reader:
    """One trace, and the place of each of its events in the file."""

    def __init__(self, path: str, process: int, file: _File) -> None:
        self._path, self._process, self._file = path, process, file
        self._base_ns = file.baseTimeNanoseconds or 0

    def read(self) -> Trace:
        events = [(place, event) for place, event in enumerate(self._file.traceEvents) if event.ph == "X"]
        calls = self._calls(events)
        records = [(place, event) for place, event in events if event.cat == "gpu_memcpy"]
        if not records:
            raise ConfigError("trace", self._path, f"has no events of category gpu_memcpy: {_RECORD}")
        copies = tuple(
            self._copy(place, event, calls) for place, event in records if _kind(event) in _KINDS and event.dur
        )
        notes = []
        if not calls:
            notes.append("no cuda_runtime events: when the host issued is not known, nor what was a batch")
        if len(copies) < len(records):
            notes.append(f"{len(records) - len(copies)} copies of other kinds or without times are left out")
        names = {gpu.id: gpu.name for gpu in self._file.deviceProperties or ()}
        return Trace(self._path, "torch.profiler", names, copies, tuple(notes))

    def _calls(self, events: Sequence[tuple[int, _Event]]) -> dict[int, ApiCall]:
        found: list[tuple[int, ApiCall]] = []
        for place, event in events:
            if event.cat in ("cuda_runtime", "cuda_driver") and _CALL.search(event.name):
                correlation = self._args(place, event).correlation
                if correlation:
                    found.append((correlation, ApiCall(event.name, *self._times_ns(place, event))))
        calls: dict[int, ApiCall] = {}
        for correlation, call in sorted(found, key=lambda one: (one[1].start_ns, -one[1].end_ns)):
            calls.setdefault(correlation, call)  # a driver call within a runtime call may share its number
        return calls

    def _copy(self, place: int, event: _Event, calls: dict[int, ApiCall]) -> TracedCopy:
        args, kind = self._args(place, event), _kind(event)
        if kind == "PtoP":
            newer = "it says whose memory a peer copy moves; record with a newer PyTorch"
            src = self._needed(place, "fromDevice", args.fromDevice, newer)
            dst = self._needed(place, "toDevice", args.toDevice, newer)
            gpu = next((said for said in (args.inDevice, args.device) if said is not None), dst)
        else:
            gpu = self._needed(place, "device", args.device)
            src, dst = HOST if kind == "HtoD" else gpu, HOST if kind == "DtoH" else gpu
        start_ns, end_ns = self._times_ns(place, event)
        return TracedCopy(
            process=self._process,
            gpu=gpu,
            stream=self._needed(place, "stream", args.stream),
            src=src,
            dst=dst,
            bytes=self._needed(place, "bytes", args.bytes),
            start_ns=start_ns,
            end_ns=end_ns,
            correlation=args.correlation,
            call=calls.get(args.correlation),
        )

    def _args(self, place: int, event: _Event) -> _Args:
        found: _Args = decode_json(event.args, _Args, self._path, "trace", at=f"traceEvents[{place}].args")
        return found

    def _times_ns(self, place: int, event: _Event) -> tuple[int, int]:
        if event.ts is None or event.dur is None:
            raise ConfigError("trace", self._path, f"traceEvents[{place}] lacks ts or dur; {_RECORD}")
        start_ns = self._base_ns + round(event.ts * 1000)
        return start_ns, start_ns + round(event.dur * 1000)

    def _needed(self, place: int, name: str, value: int | None, remedy: str = _RECORD) -> int:
        if value is None:
            raise ConfigError("trace", self._path, f"traceEvents[{place}], a copy, has no args.{name}: {remedy}")
        return value


def _kind(event: _Event) -> str | None:
    found = _NAME.match(event.name)
    return found[1] if found else None
