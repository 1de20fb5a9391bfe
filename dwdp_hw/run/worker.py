"""One rank's process: joins the group, measures the cases in order, and leaves each result in the store."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.result import result_to_text
from dwdp_hw.executors.cuda.rank import CudaRank
from dwdp_hw.executors.host.rank import HostRank
from dwdp_hw.executors.protocol import Executor
from dwdp_hw.group.faults import FAULT_EXIT, RankFault, Whereabouts, fault_key, fault_to_text
from dwdp_hw.group.group import Group, Seat, open_store
from dwdp_hw.run.measure import measure_case
from dwdp_sim.base.errors import ConfigError

SECRET = "secret"  # noqa: S105  # a file's name
"""File in the launcher's folder, which only its user can read: the secret of the ranks' store."""


@dataclass(frozen=True)
class Work:
    """The cases and settings that a group of ranks runs.

    Attributes:
        cases: In the order of running.
        settings: How the group is run.
    """

    cases: tuple[Case, ...]
    settings: Settings


def result_key(case: int, rank: int) -> str:
    """The key under which a rank leaves its result of a case in the store."""
    return f"result/{case}/{rank}"


def run_rank(seat: Seat, work: Work, store: Any) -> int:
    """Measure every case and return the process's exit code."""
    settings = work.settings
    place = Whereabouts(seat.rank)
    try:
        group = Group(seat, store, place, settings.wait_s)
        group.all_gather("started", b"")
        executor: Executor
        executor = CudaRank(group, settings) if settings.executor == "cuda" else HostRank(group)
        for number, case in enumerate(work.cases):
            result = measure_case(executor, group, case)
            group.publish(result_key(number, seat.rank), result_to_text(result).encode())
        executor.close()
        group.close()
    except (RankFault, ConfigError) as fault:
        store.set(fault_key(seat.rank), fault_to_text(fault).encode())
        return FAULT_EXIT
    except Exception as error:  # whatever it is, the launcher must be able to name the rank and the place
        unforeseen = place.fault(f"{type(error).__name__}: {error}")
        store.set(fault_key(seat.rank), fault_to_text(unforeseen).encode())
        raise
    return 0


def main() -> None:
    """Entry point of a rank that our own launcher started: the folder of the run is the only argument."""
    folder = Path(sys.argv[1])
    work: Work = pickle.loads((folder / "work").read_bytes())  # noqa: S301  # only its user can write to the folder
    seat = Seat.from_environment(folder)
    secret = (folder / SECRET).read_text()
    store = open_store(seat.address, seat.port, serve=False, wait_s=work.settings.wait_s, secret=secret)
    sys.exit(run_rank(seat, work, store))


if __name__ == "__main__":
    main()
