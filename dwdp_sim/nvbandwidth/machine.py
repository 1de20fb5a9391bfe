"""A machine as nvbandwidth meets it: what it prints for a pair of GPUs, and how they are linked. Nothing is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.fabric_constants import FabricConstants, LinkTiming
from dwdp_sim.nvbandwidth.harness import LOOP_COUNT, Testcase, benchmark_program, copy_streams, printed_bytes_per_s
from dwdp_sim.options import FabricOptions
from dwdp_sim.simulate import simulate

# Gap before a copy in one process: 8 to 12 µs measured (measurements/h200_x2_one_process.json), 6 to 9 µs more for a
# read than for a write published. No printed figure moves by more than 0.3 % between 6 and 12 µs.
GAP_S = 9e-6
WIRE_SHARE = 256 / 288  # of the nominal rate: 256 bytes of 288 on NVLink 4 and 5 are payload (public)


@dataclass(frozen=True)
class Machine:
    """GPUs and their links.

    Attributes:
        name: For people.
        gpus: Number of GPUs.
        links: `switched` (all of a GPU's links reach every other one) or `direct` (a share of them for each peer).
        nominal_bytes_per_s: Nominal rate of all links of a GPU in one direction (vendor).
        buffer_bytes: Bytes of a copy.
        read_bytes_per_s: Printed for one pair, read; mean over the pairs.
        write_bytes_per_s: The same, write.
        lowest_read_bytes_per_s: Of the slowest pair, read.
        lowest_write_bytes_per_s: The same, write.
        both_ways_loss: Share that each direction of a pair loses while the other one is in use, known from other
            machines.
    """

    name: str
    gpus: int
    links: str
    nominal_bytes_per_s: float
    buffer_bytes: int
    read_bytes_per_s: float
    write_bytes_per_s: float
    lowest_read_bytes_per_s: float
    lowest_write_bytes_per_s: float
    both_ways_loss: float


def predict_bytes_per_s(
    machine: Machine,
    testcase: Testcase,
    loop_count: int = LOOP_COUNT,
    *,
    clock_last: bool = False,
    gap_s: float = GAP_S,
) -> float:
    """What nvbandwidth will print for `testcase` on `machine`.

    Args:
        machine: Which machine.
        testcase: Which testcase.
        loop_count: Timed copies of each stream.
        clock_last: Whether an engine serves stream 0 after the others' warm-ups instead of before.
        gap_s: Gap before each copy.
    """
    streams = copy_streams(testcase, machine.gpus, machine.links)
    program = benchmark_program(streams, machine.gpus, machine.buffer_bytes, loop_count, clock_last=clock_last)
    at_once = len({stream.engine for stream in streams})
    constants = _constants(machine, testcase, at_once, gap_s)
    timeline = simulate(program, constants, FabricOptions(incast="off"))
    return printed_bytes_per_s(timeline, testcase.value, clock_last=clock_last)


def _constants(machine: Machine, testcase: Testcase, at_once: int, gap_s: float) -> FabricConstants:
    """The rates at which a pair's printed figure comes out again, and what the links of one GPU carry in all."""
    mean = machine.read_bytes_per_s if testcase.is_read else machine.write_bytes_per_s
    lowest = machine.lowest_read_bytes_per_s if testcase.is_read else machine.lowest_write_bytes_per_s
    all_must_end = testcase.value == "total" and at_once > 1
    printed = lowest if all_must_end else mean
    pair = machine.buffer_bytes / (machine.buffer_bytes / printed - gap_s)
    links = pair
    if at_once > 1 and testcase.pattern != "both_ways":
        links = WIRE_SHARE * machine.nominal_bytes_per_s if machine.links == "switched" else pair * (machine.gpus - 1)
    kept = 1.0 - machine.both_ways_loss
    return FabricConstants(
        rates={"egress": links, "ingress": links, "pair": pair},
        incast=(1.0, 1.0, 1.0, 1.0),
        both_ways_egress={"push": kept, "pull": kept},
        both_ways_ingress={"push": 1.0, "pull": 1.0},
        both_ways_gap_factor=1.0,
        timing={"peer": LinkTiming(gap_s, ((1.0, gap_s),))},
        in_flight_sources=1,
        refill="oldest",
        issue_async_s=0.0,
        issue_batch_s=0.0,
        issue_slice_s=0.0,
        barrier_s=0.0,
        swap_probability=0.0,
        used=(),
        assumed=(),
    )
