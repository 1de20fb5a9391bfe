"""Speed of the simulator: slices a second, beside what SimPy's own event loop does in the same run.

The number of events is asserted, so that a change which makes it faster by simulating something else is noticed.
Run it with `make benchmark`; figures vary with the machine, the ratio hardly does.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from unittest import mock

import simpy

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.kinds import BATCHED
from dwdp_sim.plan.program import program_from_plan
from dwdp_sim.plan.strategy import Strategy

REPEATS = 7
# DeepSeek-R1 NVFP4, N = 4, 2 MiB slices, two sources in flight: (implementation, starts) -> (slices, SimPy events).
# In lock step many slices finish at one instant; with ranks out of step hardly any two do, which is the hard case.
LOCK_STEP, OUT_OF_STEP = (0.0, 0.0, 0.0, 0.0), (0.0, 1.1e-4, 5.3e-4, 9.7e-4)
CASES = {
    ("trtllm_ipc", LOCK_STEP): (9096, 1166),
    ("trtllm_vmm", LOCK_STEP): (9072, 9090),
    ("trtllm_ipc", OUT_OF_STEP): (9096, 9105),
}
CONSTANTS = {
    "egress_bytes_per_s": 768e9, "ingress_bytes_per_s": 794.9e9, "pair_bytes_per_s": 768e9,
    "incast_factor_2": {"pull": 0.929, "push": 0.929}, "incast_factor_3": {"pull": 0.858, "push": 0.858},
    "both_ways_egress": {"pull": 0.994, "push": 0.994}, "both_ways_ingress": {"pull": 0.994, "push": 0.994},
    "peer_fixed_s": 9e-6, "peer_gap_s": [[1, 4e-6]], "both_ways_gap_factor": 1.0,
    "in_flight_sources": 2, "refill": "oldest", "batch_engines": 1,
}  # fmt: skip


def median_s(work: Callable[[], object]) -> float:
    """Median wall time of `REPEATS` calls after one warm-up."""
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def bare_simpy(events: int) -> None:
    """The least that SimPy can do: one process that sleeps again and again."""
    env = simpy.Environment()

    def sleeper() -> object:
        for _ in range(events):
            yield env.timeout(1.0)

    env.process(sleeper())
    env.run()


def count_events(work: Callable[[], object]) -> int:
    """SimPy events that `work` processes."""
    step = simpy.Environment.step
    with mock.patch.object(simpy.Environment, "step", autospec=True, side_effect=step) as counted:
        work()
    return counted.call_count - 1  # the last call finds the queue empty


def main() -> None:
    model = MoEModel("deepseek_r1", 7168, 2048, 256, 8, 61, 58, "nvfp4")
    constants = {name: Constant(value, "", "assumed", "") for name, value in CONSTANTS.items()}
    cluster = Cluster("benchmark", "", 72, "ipc", "peer", constants)
    bare = 200_000 / median_s(lambda: bare_simpy(200_000))
    print(f"SimPy alone             {bare:>10,.0f} events/s")
    for (implementation, starts), expected in CASES.items():
        plan = build_plan(model, Placement.create(256, 4), Strategy(BATCHED, implementation))
        program = program_from_plan(plan, start_s=starts)
        taken = constants_for(cluster, program, FabricOptions())
        run = partial(simulate, program, taken)
        events = count_events(run)
        slices = len(program.copy_bytes)
        assert (slices, events) == expected, f"{implementation}: {slices} slices, {events} events, not {expected}"
        rate = slices / median_s(run)
        pace = "lock step" if starts == LOCK_STEP else "out of step"
        print(f"{implementation}, {pace:<12} {rate:>10,.0f} slices/s, {events} events, {rate / bare:.2f} × SimPy alone")


if __name__ == "__main__":
    main()
