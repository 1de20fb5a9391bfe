"""What the recorder costs on the CPU: in the engine's call, and in the thread that writes.

The watched functions do nothing, so that all that is timed is the recorder. In the call: a single copy, and a batch of
2,274 copies (DeepSeek-R1, four ranks, 2 MiB) whose lists are new each time. In the writer's thread, which holds the
interpreter while it works: a batch that is known, and one that is new. Medians and quartiles of many rounds.

  python benchmarks/record_cost.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from types import SimpleNamespace

from dwdp_hw.record.inside.call_log import CallLog
from dwdp_hw.record.inside.cuda_calls import watch_cuda
from dwdp_hw.record.inside.record_file import RecordFile

COPIES, SLICE_BYTES = 2274, 2 << 20
ROUNDS = 200
SINGLES = 1000  # calls of a round


def cudaMemcpyAsync(dst: int, src: int, count: int, kind: int, stream: int) -> tuple[int]:
    return (0,)


def cudaMemcpyBatchAsync(
    dsts: list[int],
    srcs: list[int],
    sizes: list[int],
    count: int,
    attrs: object,
    attrsIdxs: object,
    numAttrs: int,
    stream: int,
) -> tuple[int]:
    return (0,)


def columns(number: int = 0) -> tuple[list[int], list[int], list[int]]:
    """New lists of new numbers, as an engine makes them for each layer."""
    first = (1 << 45) + number * (1 << 34)
    dsts = [first + place * SLICE_BYTES for place in range(COPIES)]
    return dsts, [address + (1 << 40) for address in dsts], [SLICE_BYTES] * COPIES


def rounds_us(work: Callable[[int], int]) -> list[float]:
    """Microseconds of each round, for what the round says that it has done once."""
    found = []
    for number in range(ROUNDS):
        begin = time.perf_counter_ns()
        times = work(number)
        found.append((time.perf_counter_ns() - begin) / 1000 / times)
    return found


def singles(function: Callable[..., object], log: CallLog) -> list[float]:
    def work(_number: int) -> int:
        for _ in range(SINGLES):
            function(1 << 45, 1 << 46, SLICE_BYTES, 4, 1)
        return SINGLES

    found = rounds_us(work)
    log.pending.clear()
    return found


def batches(function: Callable[..., object], log: CallLog, file: RecordFile | None = None) -> list[float]:
    """Batches of new numbers; with a file, of numbers that it knows."""
    found = []
    for number in range(ROUNDS):
        lists = columns(0 if file else number)
        begin = time.perf_counter_ns()
        function(*lists, COPIES, None, None, 1, 1)
        found.append((time.perf_counter_ns() - begin) / 1000)
        if file and log.pending:
            file.call(log.pending.popleft())
        log.pending.clear()
    return found


def written(make: Callable[[int], object], log: CallLog, file: RecordFile) -> list[float]:
    """Writing one call."""
    found = []
    for number in range(ROUNDS):
        make(number)
        made = log.pending.popleft()
        begin = time.perf_counter_ns()
        file.call(made)
        found.append((time.perf_counter_ns() - begin) / 1000)
    return found


def main() -> None:
    log = CallLog()
    module = SimpleNamespace(cudaMemcpyAsync=cudaMemcpyAsync, cudaMemcpyBatchAsync=cudaMemcpyBatchAsync)
    watch_cuda(module, log)
    single, batch = module.cudaMemcpyAsync, module.cudaMemcpyBatchAsync
    with tempfile.TemporaryDirectory() as folder:
        file = RecordFile(folder, log)
        file.open()
        shown = {
            "a single copy, not watched": singles(cudaMemcpyAsync, log),
            "a single copy, watched": singles(single, log),
            f"a batch of {COPIES}, not watched": batches(cudaMemcpyBatchAsync, log),
            f"a batch of {COPIES}, watched, new": batches(batch, log),
            f"a batch of {COPIES}, watched, known": batches(batch, log, file),
            "writer: a call that is known": written(lambda _: single(1 << 45, 1 << 46, 1, 4, 1), log, file),
            "writer: a new batch": written(lambda n: batch(*columns(n + 1), COPIES, None, None, 1, 1), log, file),
        }
        file.close()
    for name, times in shown.items():
        low, middle, high = statistics.quantiles(times, n=4)
        sys.stdout.write(f"{name}: {middle:.2f} µs ({low:.2f} to {high:.2f})\n")


if __name__ == "__main__":
    main()
