"""Where simulations run side by side: in threads of this process or, on SimPy, in processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from dwdp_sim.fabric.process_workers import ProcessWorkers


@contextmanager
def workers(count: int, *, threads: bool) -> Iterator[Executor | None]:
    """Return the pool for simulations, which ends with the block; None if this thread is enough.

    A block that raises waits neither for threads, which cannot be stopped, nor for processes, which are ended.

    Args:
        count: How many run side by side.
        threads: Whether the compiled engine will run them. It lets other threads run meanwhile, and they share what
            has been loaded and worked out. SimPy does not: then each worker is a process that starts afresh, so that
            it shares nothing with threads of this one.

    Raises:
        WorkerDied: A process has been killed.
    """
    if count == 1:
        yield None
        return
    pool = ThreadPoolExecutor(count) if threads else ProcessWorkers(count)
    try:
        yield pool
    except BaseException:
        if isinstance(pool, ProcessWorkers):
            pool.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown(cancel_futures=True)
