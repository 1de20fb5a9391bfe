"""Sweeps as processes: start them, kill them, and check what they leave."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dwdp_sim.sweep.claims import attempts, is_held, wait_until_free
from dwdp_sim.sweep.columns import RESULT_COLUMNS
from dwdp_sim.sweep.compact import read_folder
from dwdp_sim.sweep.results_folder import Folder
from dwdp_sim.sweep.rows import is_complete

# A job takes some 10 ms; a sweep of n seeds has 3·n jobs of two rows.
SMALL = ("model=deepseek_v3_lite_nvfp4", "cluster=h200_x2", "dwdp.dwdp_size=2", "strategy=default,batched,ring")
LAUNCHERS = ("basic", "joblib", "submitit_local", "ray")
RAY = ("+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.init.include_dashboard=false")
# A shell's background jobs, and what they start, ignore SIGINT unless told otherwise.
_CODE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from dwdp_sim.app import main
main()
"""

Files = dict[str, tuple[int, int]]  # a file's name, its inode and when it was written


def arguments(folder: Folder, seeds: int, launcher: str = "basic", *more: str) -> list[str]:
    """Command line of a sweep of 3·`seeds` jobs."""
    how = [] if launcher == "basic" else [f"hydra/launcher={launcher}", "sweep.workers=2"]
    how += RAY if launcher == "ray" else []
    return ["-m", *SMALL, f"seed=range({seeds})", f"results_dir={folder.path}", *how, *more]


class Sweep:
    """A running `dwdp-sim`, at the head of a process group of its own."""

    def __init__(self, arguments: Sequence[str]) -> None:
        # A file and not a pipe: what a kill leaves behind would keep a pipe open.
        handle, self._printed = tempfile.mkstemp()
        command = [sys.executable, "-c", _CODE, *arguments]
        self._process = subprocess.Popen(command, stdout=handle, stderr=subprocess.STDOUT, start_new_session=True)
        os.close(handle)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def finish(self, code: int = 0) -> str:
        """Wait for the end, which must be exit code `code`; what it printed."""
        self._process.wait(timeout=600)
        printed = Path(self._printed).read_text()
        assert self._process.returncode == code, printed
        return printed

    def kill(self, whole_group: bool) -> None:
        """SIGKILL to the command, or to it and everything it started that has not left its group."""
        (os.killpg if whole_group else os.kill)(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait_for_files(self, folder: Folder, count: int) -> None:
        """Return when `count` jobs are finished, or the sweep is over."""
        while len(folder.finished_files()) < count and not self.is_over:
            time.sleep(0.01)


def run(arguments: Sequence[str], code: int = 0) -> str:
    """Run a sweep to its end; what it printed."""
    return Sweep(arguments).finish(code)


def finished_files(folder: Folder) -> Files:
    """The files of finished jobs; a file written again has another inode or time."""
    stats = {path.name: path.stat() for path in folder.finished_files()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


def assert_one_valid_row_set_each(folder: Folder, jobs: int) -> None:
    """Every job has its rows once, complete, and nothing else is in the folder."""
    assert all(is_complete(path) for path in folder.finished_files())
    rows = read_folder(folder)
    keys = list(zip(rows.column("job").to_pylist(), rows.column("rank").to_pylist(), strict=True))
    assert len(keys) == len(set(keys)) == 2 * jobs
    assert set(rows.column("status").to_pylist()) == {"ok"}
    assert list((folder.path / "claims").iterdir()) == []
    assert list(folder.launcher.iterdir()) == [], "launchers write elsewhere, and the list of jobs is removed"
    assert folder.failed_files() == []
    assert [path for path in (folder.path / "jobs").iterdir() if path.name.startswith(".")] == []


@contextmanager
def reader(folder: Folder) -> Iterator[None]:
    """Read the folder all the time while the block runs; every reading must be whole, and none may lose a job."""
    over, errors = threading.Event(), []

    def read() -> None:
        seen: set[str] = set()
        while not over.is_set():
            if folder.path.joinpath("jobs").is_dir():
                try:
                    jobs = set(read_folder(folder).column("job").to_pylist())
                    assert seen <= jobs, "a reading lost a job"
                    seen = jobs
                except Exception as error:
                    errors.append(error)
                    return
            over.wait(0.5)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert errors == []


def kill_a_worker(folder: Folder, sweep: Sweep, job: str | None = None) -> str | None:
    """SIGKILL to the process that runs `job`, or any; the job's name, None if the sweep was over before."""
    while not sweep.is_over:
        for path in (folder.path / "claims").glob(job or "*"):
            if is_held(path) and (begun := attempts(path)):
                with suppress(ProcessLookupError):  # it has died since we looked
                    os.kill(begun[-1].pid, signal.SIGKILL)
                    wait_until_free(path)
                    return path.name
        time.sleep(0.0005)
    return None


def result_bytes(folder: Folder) -> bytes:
    """The result columns of all rows, as a file: everything but when, where and how long."""
    table = read_folder(folder).select([column.name for column in RESULT_COLUMNS])
    plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in table.schema]
    table = table.cast(pa.schema(plain))  # the same values are numbered as they come, which tells who came first
    sink = io.BytesIO()
    pq.write_table(table.sort_by([("job", "ascending"), ("rank", "ascending")]).combine_chunks(), sink)
    return sink.getvalue()
