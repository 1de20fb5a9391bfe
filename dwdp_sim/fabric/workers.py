"""Where simulations run side by side: in threads of this process or, on SimPy, in processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def workers(count: int, *, threads: bool) -> Iterator[Executor | None]:
    """Return the pool for simulations, which ends with the block; None if this thread is enough.

    Args:
        count: How many run side by side.
        threads: Whether the compiled engine will run them. It lets other threads run meanwhile, and they share what
            has been loaded and worked out. SimPy does not: then each worker is a process that starts afresh (`spawn`),
            so that it shares nothing with threads of this one.
    """
    if count == 1:
        yield None
        return
    pool: Executor = (
        ThreadPoolExecutor(count)
        if threads
        else ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
