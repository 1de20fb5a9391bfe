"""What is read from a profiler's trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dwdp_hw.cases.shapes import V3_LITE, model_case
from dwdp_hw.executors.cuda.cupti import read_trace
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import Strategy

TRACES = Path(__file__).parents[4] / "measurements" / "traces"


def test_copies_come_in_the_order_of_their_begin_and_neither_kernels_nor_our_own_reading_count() -> None:
    events = [
        {"cat": "gpu_memcpy", "name": "Memcpy PtoP", "ts": 20.0, "dur": 5.0, "args": {"bytes": 7}},
        {"cat": "gpu_memcpy", "name": "Memcpy HtoD", "ts": 10.0, "dur": 2.0, "args": {"bytes": 3}},
        {"cat": "gpu_memcpy", "name": "Memcpy DtoH (Device -> Pageable)", "ts": 1.0, "dur": 2.0, "args": {"bytes": 32}},
        {"cat": "kernel", "name": "gate", "ts": 1.0, "dur": 9.0, "args": {}},
        {"name": "process_name", "ph": "M"},
    ]
    witness = read_trace(json.dumps({"traceEvents": events}))
    assert witness.missing is None
    assert [(copy.name, copy.size) for copy in witness.copies] == [("Memcpy HtoD", 3), ("Memcpy PtoP", 7)]
    assert witness.copies[0].begin_s == 10e-6
    assert abs(witness.copies[1].end_s - 25e-6) < 1e-12


def test_a_trace_without_copies_says_so() -> None:
    assert read_trace("{}").missing == "the profiler recorded no copy"


@pytest.mark.parametrize(("strategy", "records"), [("default", 6), ("batched", 1)])
def test_a_real_trace_holds_all_bytes_of_the_layer_and_a_batch_as_one_record(strategy: str, records: int) -> None:
    case = model_case(V3_LITE, 36, 2, Strategy(STRATEGIES[strategy]))
    witness = read_trace((TRACES / f"h200_x2_v3lite36_{strategy}_rank0.json").read_text())
    assert len(witness.copies) == records
    assert sum(copy.size for copy in witness.copies) == case.plan.bytes_per_rank()[0]
