"""Two processes on host memory: results come back, and a rank that fails in any way ends the run, named."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.cases.result import RankResult
from dwdp_hw.group.faults import RankFault
from dwdp_hw.rows.write import measured_row
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.worker import Work
from dwdp_sim.base.errors import ConfigError
from tests.dwdp_hw.conftest import ON_HOST

pytest.importorskip("torch", reason="the ranks meet through torch's TCPStore")
pytestmark = pytest.mark.filterwarnings("default")
STOP_WITHIN_S = 12.0
QUICK = Settings(executor="host", wait_s=4.0, heartbeat_s=2.0, start_s=60.0)
Build = Callable[..., Case]
Run = Callable[..., Any]


class Ran(NamedTuple):
    """What came of cases, and the addresses on which this process listened while its ranks ran."""

    found: list[tuple[Case, list[RankResult]]]
    listening: list[str]


@pytest.fixture(scope="module")
def ran(small_case: Build, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Three cases on two ranks."""
    cases = (
        small_case("queued", repeats=3),
        small_case("issued", "default", repeats=3, issue_mode="as_issued"),
        replace(small_case("alone", repeats=3), ranks=(0,)),
    )
    ran = Ran([], [])

    def look(pids: list[int]) -> None:
        lines = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
        own = {os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _is_open(name)}
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                ran.listening.append(fields[1].split(":")[0])

    settings = replace(ON_HOST, shared_folder=str(tmp_path_factory.mktemp("shared")))
    run_group(Work(cases, settings), 2, lambda case, results: ran.found.append((case, results)), look)
    return ran


def test_both_ranks_results_come_back_with_every_run_verified(ran: Ran) -> None:
    assert [case.name for case, _ in ran.found] == ["queued", "issued", "alone"]
    for case, results in ran.found:
        row = measured_row(case, results)
        assert row["verified_runs"] == [5] * len(case.ranks)
        assert [len(runs) for runs in row["device_us_runs"]] == [3] * len(case.ranks)
        assert row["ranks_pulling"] == len(case.ranks)
        assert row["issue_mode"] == case.issue_mode


def test_the_start_skew_of_every_row_is_recorded(ran: Ran) -> None:
    for case, results in ran.found[:2]:
        skew = measured_row(case, results)["start_skew_us"]
        assert 0 <= skew["median"] <= skew["max"] < 1e6


def test_the_ranks_store_listens_on_this_host_alone(ran: Ran) -> None:
    assert ran.listening == ["0100007F"]  # 127.0.0.1


def test_a_wrong_plan_fails_the_run_and_names_the_slice(small_case: Build, run_on_host: Run) -> None:
    case = small_case()
    src = case.plan.copy_src_offset.copy()
    src[1] += 4
    with pytest.raises(RankFault, match=r"rank 0 on .*layer 0.*wrong bytes: slice 1 of rank 0 \(layer 0, peer 1, "):
        run_on_host([replace(case, plan=replace(case.plan, copy_src_offset=src))])


@pytest.mark.parametrize(
    ("sent", "said"), [(signal.SIGKILL, "ended by SIGKILL"), (signal.SIGSTOP, "no sign of life|did not come to")]
)
def test_a_killed_or_frozen_rank_stops_the_run_in_time_and_is_named(
    small_case: Build, shared_folder: Path, sent: signal.Signals, said: str
) -> None:
    pids: list[int] = []
    struck_s: list[float] = []

    def strike() -> None:
        struck_s.append(time.monotonic())
        os.kill(pids[1], sent)

    cases = (small_case("first", repeats=1), small_case("endless", repeats=10**7))
    settings = replace(QUICK, shared_folder=str(shared_folder))
    with pytest.raises(RankFault, match=rf"^rank 1 on \S+, case endless.*({said})"):
        # The first case's result shows that both ranks run; a second later they are in the endless one.
        run_group(Work(cases, settings), 2, lambda *_: threading.Timer(1.0, strike).start(), pids.extend)
    assert time.monotonic() - struck_s[0] < STOP_WITHIN_S
    for pid in pids:
        assert not _runs(pid)


class _Attack:
    """Runs a command where it is unpickled."""

    def __init__(self, written: Path) -> None:
        self._written = written

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._written}",)


def test_a_stranger_who_writes_into_the_ranks_store_runs_nothing_and_ends_the_run_in_one_line(
    small_case: Build, run_on_host: Run, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("torch.distributed")
    run_by_it = tmp_path / "run"

    def attack(pids: list[int]) -> None:
        variables = Path(f"/proc/{pids[0]}/environ").read_bytes().split(b"\0")
        port = next(int(value.split(b"=")[1]) for value in variables if value.startswith(b"MASTER_PORT="))
        store = distributed.TCPStore("127.0.0.1", port, is_master=False, wait_for_workers=False)
        for rank in range(2):
            store.set(f"result/0/{rank}", pickle.dumps(_Attack(run_by_it)))

    with pytest.raises(ConfigError, match="does not belong to this run"):
        run_on_host([small_case(repeats=1)], on_start=attack)
    assert not run_by_it.exists()


def _is_open(name: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{name}")


def test_a_configuration_that_a_rank_refuses_is_a_configuration_error(small_case: Build, run_on_host: Run) -> None:
    with pytest.raises(ConfigError, match="host"):
        run_on_host([small_case(measure="issue_cost")])


PROGRAM = """
import sys
from dwdp_hw.cases.case import Case, Settings
from dwdp_hw.run.launch import run_group
from dwdp_hw.run.worker import Work
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy
model = MoEModel("small", 64, 32, 8, 1, 4, 4, "nvfp4")
plan = build_plan(model, Placement.create(8, 2), Strategy(STRATEGIES["batched"]))
cases = tuple(Case(f"case{n}", plan, {}, ranks=(0, 1), repeats=n) for n in (1, 10**7))
settings = Settings(executor="host", wait_s=4.0, shared_folder=sys.argv[1])
run_group(Work(cases, settings), 2, lambda *_: print("going", flush=True),
          lambda pids: print(*pids, flush=True))
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_launcher_that_is_ended_leaves_no_process_behind(
    sent: signal.Signals, run_on_host: Run, small_case: Build, shared_folder: Path
) -> None:
    repository = Path(__file__).parents[3]
    launcher = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(shared_folder)], cwd=repository, stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    with launcher.stdout:
        pids = [int(pid) for pid in launcher.stdout.readline().split()]
        assert launcher.stdout.readline() == "going\n"
        launcher.send_signal(sent)
        assert launcher.wait(timeout=STOP_WITHIN_S) != 0
    assert len(pids) == 2
    time.sleep(0.5 * (sent is signal.SIGKILL))  # the ranks end with their launcher, but it does not wait for them
    for pid in pids:
        assert not _runs(pid)
    if sent is signal.SIGKILL:  # nobody was left to remove the folder; the next run does
        run_on_host([small_case(repeats=1)])


def _runs(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
