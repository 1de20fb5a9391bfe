"""A small engine that pulls experts as TensorRT-LLM's DWDP is described to do, and that knows nothing of this project.

One process a rank. Each holds P experts of every layer, for each parameter one after another; before a layer it
pulls the others' into one of two slots, on a stream of its own. Orders:

- `ipc`: six parameters. Default: peers ascending, inside a peer the parameters. Batched: for each parameter, for each
  slice, peers rank + 1, rank + 2, … Neighbours that hold an expert twice serve P experts each.
- `vmm`: four parameters. Default: for each parameter the peers ascending. Batched: each peer's slices are a list, taken
  in turns, peers ascending; a peer drops out when its list is done. The lowest rank that holds an expert serves it.
- `wrong`: as `ipc`, with the slices of each pull from its end.

With `--home host` one rank runs, and its peers' experts are in pinned host memory.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import multiprocessing
import sys
import time
from typing import Any, NamedTuple

from cuda.bindings import runtime as cudart

LONGEST_S = 100  # for all ranks to meet


class Copy(NamedTuple):
    peer: int
    src: int
    dst: int
    size: int


def checked(result: tuple[Any, ...]) -> Any:
    status, *values = result
    if int(status) != 0:
        sys.exit(f"CUDA error {int(status)}")
    return values[0] if values else None


class Shape:
    """Bytes of an expert's parameters (NVFP4), and who holds which experts."""

    def __init__(self, options: argparse.Namespace) -> None:
        hidden, inner = options.hidden, options.inner
        weights = [2 * inner * hidden // 2, inner * hidden // 2, 2 * inner * hidden // 16, inner * hidden // 16]
        self.bytes = weights if options.order == "vmm" else [*weights, 4, 4]
        self.ranks, self.pulled, self.held = options.ranks, options.pulled, options.held or options.pulled
        self.experts = self.held + (self.ranks - 1) * self.pulled
        self.layer_bytes = self.held * sum(self.bytes)
        self.slot_bytes = (self.experts - self.held) * sum(self.bytes)

    def resident(self, rank: int) -> range:
        return range(rank * self.pulled, rank * self.pulled + self.held)

    def remote(self, rank: int) -> list[int]:
        return [expert for expert in range(self.experts) if expert not in self.resident(rank)]

    def served(self, rank: int, peer: int, order: str) -> list[int]:
        held = self.resident(peer)
        if order != "vmm":
            return list(held[-self.pulled :] if peer > rank else held[: self.pulled])
        first = {e: min(r for r in range(self.ranks) if e in self.resident(r)) for e in self.remote(rank)}
        return [expert for expert in held if first.get(expert) == peer]

    def pull(self, rank: int, peer: int, parameter: int, order: str) -> Copy | None:
        """One parameter of what a peer serves, as offsets in the peer's layer and the rank's slot."""
        experts, size = self.served(rank, peer, order), self.bytes[parameter]
        if not experts:
            return None
        before = sum(self.bytes[:parameter])
        src = self.held * before + (experts[0] - self.resident(peer).start) * size
        remote = self.remote(rank)
        return Copy(peer, src, len(remote) * before + remote.index(experts[0]) * size, len(experts) * size)


def slices(pull: Copy, size: int) -> list[Copy]:
    starts = range(0, pull.size, size)
    return [Copy(pull.peer, pull.src + s, pull.dst + s, min(size, pull.size - s)) for s in starts]


def default_order(shape: Shape, rank: int, order: str) -> list[Copy]:
    peers = [peer for peer in range(shape.ranks) if peer != rank]
    parameters = range(len(shape.bytes))
    if order == "vmm":
        pairs = [(peer, parameter) for parameter in parameters for peer in peers]
    else:
        pairs = [(peer, parameter) for peer in peers for parameter in parameters]
    return [pull for peer, parameter in pairs if (pull := shape.pull(rank, peer, parameter, order))]


def batched_order(shape: Shape, rank: int, order: str, size: int) -> list[Copy]:
    found: list[Copy] = []
    if order == "vmm":
        peers = [peer for peer in range(shape.ranks) if peer != rank]
        pulls = [[shape.pull(rank, peer, p, order) for p in range(len(shape.bytes))] for peer in peers]
        lists = [[piece for pull in own if pull for piece in slices(pull, size)] for own in pulls]
        for turn in range(max(map(len, lists))):
            found += [own[turn] for own in lists if turn < len(own)]
        return found
    for parameter in range(len(shape.bytes)):
        around = [(rank + step) % shape.ranks for step in range(1, shape.ranks)]
        pieces = [slices(pull, size) for peer in around if (pull := shape.pull(rank, peer, parameter, order))]
        if order == "wrong":
            pieces = [own[::-1] for own in pieces]
        for turn in range(len(pieces[0])):
            found += [own[turn] for own in pieces]
    return found


def issue(copies: list[Copy], bases: dict[int, int], slot: int, stream: int, batched: bool) -> None:
    if not batched:
        kind = cudart.cudaMemcpyKind.cudaMemcpyDefault
        for copy in copies:
            checked(cudart.cudaMemcpyAsync(slot + copy.dst, bases[copy.peer] + copy.src, copy.size, kind, stream))
        return
    attributes = cudart.cudaMemcpyAttributes()
    attributes.srcAccessOrder = cudart.cudaMemcpySrcAccessOrder.cudaMemcpySrcAccessOrderStream
    dsts = [slot + copy.dst for copy in copies]
    srcs = [bases[copy.peer] + copy.src for copy in copies]
    sizes = [copy.size for copy in copies]
    checked(cudart.cudaMemcpyBatchAsync(dsts, srcs, sizes, len(sizes), [attributes], [0], 1, stream))


def pattern(expert: int, layer: int, parameter: int) -> int:
    return (expert * 31 + layer * 7 + parameter * 3 + 1) % 251


def fill(shape: Shape, rank: int, layers: int, base: int, on_host: bool) -> None:
    put = ctypes.memset if on_host else lambda *where: checked(cudart.cudaMemset(*where))
    for layer in range(layers):
        at = base + layer * shape.layer_bytes
        for parameter, size in enumerate(shape.bytes):
            for expert in shape.resident(rank):
                put(at, pattern(expert, layer, parameter), size)
                at += size


def check(shape: Shape, rank: int, layer: int, slot: int) -> None:
    found = ctypes.create_string_buffer(shape.slot_bytes)
    kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
    checked(cudart.cudaMemcpy(ctypes.addressof(found), slot, shape.slot_bytes, kind))
    wanted = b"".join(
        bytes([pattern(expert, layer, parameter)]) * size
        for parameter, size in enumerate(shape.bytes)
        for expert in shape.remote(rank)
    )
    if found.raw != wanted:
        sys.exit(f"rank {rank}, layer {layer}: wrong bytes")


def allocate(shape: Shape, rank: int, options: argparse.Namespace, meet: Any) -> tuple[dict[int, int], list[int]]:
    """Addresses of the peers' experts, and of the two slots."""
    bases: dict[int, int] = {}
    size = options.layers * shape.layer_bytes
    if options.home == "host":
        for peer in range(1, shape.ranks):
            bases[peer] = int(checked(cudart.cudaHostAlloc(size, cudart.cudaHostAllocPortable)))
            fill(shape, peer, options.layers, bases[peer], on_host=True)
    else:
        own = int(checked(cudart.cudaMalloc(size)))
        fill(shape, rank, options.layers, own, on_host=False)
        checked(cudart.cudaStreamSynchronize(0))
        handle = checked(cudart.cudaIpcGetMemHandle(own))
        for peer, reserved in enumerate(meet(bytes(handle.reserved))):
            if peer != rank:
                theirs = cudart.cudaIpcMemHandle_t()
                theirs.reserved = reserved
                flags = cudart.cudaIpcMemLazyEnablePeerAccess
                bases[peer] = int(checked(cudart.cudaIpcOpenMemHandle(theirs, flags)))
    return bases, [int(checked(cudart.cudaMalloc(shape.slot_bytes))) for _ in range(2)]


def run_rank(rank: int, options: argparse.Namespace, pipe: Any) -> None:
    checked(cudart.cudaSetDevice(rank))
    if options.torch:
        torch = importlib.import_module("torch")
        torch.cuda.set_device(rank)
        torch.cuda.init()
    shape = Shape(options)

    def meet(mine: bytes) -> list[bytes]:
        pipe.send(mine)
        return list(pipe.recv())

    bases, slots = allocate(shape, rank, options, meet)
    stream = int(checked(cudart.cudaStreamCreateWithFlags(1)))
    batched = options.slice > 0
    copies = batched_order(shape, rank, options.order, options.slice) if batched else []
    copies = copies or default_order(shape, rank, options.order)
    began, steps = time.perf_counter(), 0
    while steps < options.steps or time.perf_counter() - began < options.seconds:
        for layer in range(options.layers):
            experts = {peer: base + layer * shape.layer_bytes for peer, base in bases.items()}
            issue(copies, experts, slots[layer % 2], stream, batched)
            time.sleep(options.window)  # the layers before it compute
            checked(cudart.cudaStreamSynchronize(stream))
            if steps == 0:
                check(shape, rank, layer, slots[layer % 2])
                began = time.perf_counter() if layer == options.layers - 1 else began
        steps += 1
    sys.stdout.write(json.dumps({"rank": rank, "steps": steps, "elapsed_s": time.perf_counter() - began}) + "\n")
    sys.stdout.flush()
    if options.home == "peer":
        meet(b"")  # nobody frees what others still read


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--order", choices=("ipc", "vmm", "wrong"), default="ipc")
    parser.add_argument("--home", choices=("peer", "host"), default="peer")
    parser.add_argument("--start", choices=("fork", "spawn"), default="spawn")
    parser.add_argument("--torch", action="store_true")
    for name, default in {
        "hidden": 64,
        "inner": 48,
        "ranks": 4,
        "pulled": 4,
        "held": 0,
        "layers": 3,
        "steps": 3,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--slice", type=int, default=0, help="bytes; 0: default copies")
    parser.add_argument("--window", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args()
    if options.home == "host":
        run_rank(0, options, None)
        return
    context = multiprocessing.get_context(options.start)
    pipes = [context.Pipe() for _ in range(options.ranks)]
    ranks = [
        context.Process(target=run_rank, args=(rank, options, pipes[rank][1]), daemon=True)
        for rank in range(options.ranks)
    ]
    for rank in ranks:
        rank.start()
    for _ in range(2):
        if not all(pipe.poll(LONGEST_S) for pipe, _ in pipes):
            sys.exit("a rank did not come")
        handles = [pipe.recv() for pipe, _ in pipes]
        for pipe, _ in pipes:
            pipe.send(handles)
    for rank in ranks:
        rank.join()
    sys.exit(max(abs(rank.exitcode or 0) for rank in ranks))


if __name__ == "__main__":
    main()
