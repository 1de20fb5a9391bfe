"""Estimate what a calibration will take before it starts: the predictions that its fits ask for, and their copies."""

from __future__ import annotations

from collections.abc import Sequence

from dwdp_hw.calibration.calibrate import rows_used
from dwdp_hw.calibration.design import rule_rows
from dwdp_hw.calibration.observations import PREDICTIONS
from dwdp_hw.calibration.parameters import parameters_for
from dwdp_hw.calibration.rules import showing
from dwdp_hw.rows.predict import starts_s
from dwdp_hw.rows.recording import Recording
from dwdp_hw.rows.row import RecordedRow
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.engine_choice import objection_to, takes_compiled
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.work import IDLE_BYTES, SIMPY_S, Work

# Of each row, for every parameter and for the point from which it is changed. Fits of recorded rows asked for 11 to 18.
_OF_A_FIT = 16
_OF_A_RULE = 9  # the fit under one alternative, and what it would say of a row that it had not seen
_SIMULATED = 0.55  # of the predictions; the others differ from earlier ones in constants that their row does not need
# On a slow core, rounded up: a prediction beside its copies; a copy, of tables that were built once.
_PREDICTED_S, _PREDICTED_BYTES = 1.5e-4, 1000
_COPY_S, _COPY_BYTES = 3e-7, 600


def predictions_of(rows: Sequence[RecordedRow], alternatives: int, cluster: Cluster) -> int:
    """How often a calibration predicts a row, about.

    Args:
        rows: That constants are fitted on.
        alternatives: Rules under which the fit is made once more, each.
        cluster: Where it starts.

    Raises:
        ConfigError: The cluster lacks a constant that a row needs.
    """
    parameters = len(parameters_for(cluster, rows)[1])
    return len(rows) * (parameters + 1) * (_OF_A_FIT + _OF_A_RULE * alternatives)


def work_of_calibration(recordings: Sequence[Recording], cluster: Cluster, options: FabricOptions, use: str) -> Work:
    """What `calibrate` takes; arguments as there.

    Raises:
        ConfigError: The cluster lacks a constant that a row needs.
    """
    rows = [row for recording in recordings for row in rows_used(recording, use, cluster.mapping)]
    unfitted = rule_rows([row for recording in recordings for row in recording.rows])
    rules = 1 + len(showing(rows, unfitted, cluster, options))
    predictions = predictions_of(rows, rules - 1, cluster)
    copies = sum(len(row.program.copy_bytes) for row in rows)
    simulated_s = sum(_simulated_s(row, options, PREDICTIONS * copies) for row in rows)
    return Work(
        f"{predictions:,} predictions of {len(rows):,} rows under {rules} {'rule' if rules == 1 else 'rules'}",
        time_s=predictions * (_PREDICTED_S + _SIMULATED * simulated_s / max(len(rows), 1)),
        memory_bytes=IDLE_BYTES + predictions * _PREDICTED_BYTES + copies * _COPY_BYTES,
        less="fewer files in rows, or check.use=design",
    )


def _simulated_s(row: RecordedRow, options: FabricOptions, beside: int) -> float:
    """What one prediction of a row takes to simulate, where so many copies are simulated in all."""
    compiled = takes_compiled("auto", beside, objection_to(row.program))
    copy_s = _COPY_S if compiled else SIMPY_S * len(row.program.stream_gpu)
    return len(starts_s(row, options)) * len(row.program.copy_bytes) * copy_s
