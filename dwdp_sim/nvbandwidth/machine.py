"""A machine as nvbandwidth meets it: what it prints for a pair of GPUs, and how they are linked. Nothing is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.fabric.simulate import simulate
from dwdp_sim.nvbandwidth.harness import LOOP_COUNT, Testcase, benchmark_program, copy_streams, printed_bytes_per_s

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
    options = FabricOptions(incast="off")
    constants = constants_for(_cluster(machine, testcase, at_once, gap_s), program, options)
    timeline = simulate(program, constants, options)
    return printed_bytes_per_s(timeline, testcase.value, clock_last=clock_last)


def _cluster(machine: Machine, testcase: Testcase, at_once: int, gap_s: float) -> Cluster:
    """Constants with which a pair's printed figure comes out again, and what the links of one GPU carry in all."""
    mean = machine.read_bytes_per_s if testcase.is_read else machine.write_bytes_per_s
    lowest = machine.lowest_read_bytes_per_s if testcase.is_read else machine.lowest_write_bytes_per_s
    all_must_end = testcase.value == "total" and at_once > 1
    printed = lowest if all_must_end else mean
    pair = machine.buffer_bytes / (machine.buffer_bytes / printed - gap_s)
    links = pair
    if at_once > 1 and testcase.pattern != "both_ways":
        links = WIRE_SHARE * machine.nominal_bytes_per_s if machine.links == "switched" else pair * (machine.gpus - 1)
    kept = 1.0 - machine.both_ways_loss
    values = {
        "egress_bytes_per_s": links,
        "ingress_bytes_per_s": links,
        "pair_bytes_per_s": pair,
        "push_bytes_per_s": pair,
        "peer_fixed_s": gap_s,
        "peer_gap_s": [[1, gap_s]],
        "both_ways_egress": {"pull": kept, "push": kept},
        "both_ways_ingress": {"pull": 1.0, "push": 1.0},
        "both_ways_gap_factor": 1.0,
        "barrier_s": 0.0,
    }
    constants = {
        name: Constant(value, unit="", provenance="public", source=machine.name) for name, value in values.items()
    }
    return Cluster(machine.name, "as nvbandwidth meets it", machine.gpus, "ipc", "peer", constants)
