"""What the simulator says of a step of a pipeline: from the windows measured in it, and from tables of kernels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dwdp_hw.cases.case import Case, LayerCompute
from dwdp_hw.kernels.expected import CACHE, LOAD
from dwdp_hw.rows.predict_steps import predict_steps
from dwdp_hw.rows.schema import MeasuredRow
from dwdp_hw.rows.steps import RecordedSteps, steps_from_dict
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.presets import preset
from dwdp_sim.silicon.tables import BACKENDS
from dwdp_sim.steps.compute import compute_times
from dwdp_sim.steps.compute_times import step_windows
from dwdp_sim.steps.requests import Chunk
from dwdp_sim.steps.windows import StepWindows

MEASURED = "windows measured in the step"


@dataclass(frozen=True)
class StepPredictions:
    """Predictions of one measured step.

    Attributes:
        step_s: Seconds on each pulling rank, by what the windows were taken from.
        missing: Why there is none from that.
    """

    step_s: dict[str, tuple[float, ...]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StepSimulator:
    """The simulator on the machine that is measured.

    Attributes:
        cluster: Its constants.
        options: The model's alternatives.
        gpu: Kind of GPU whose tables are asked; empty: not known.
    """

    cluster: Cluster
    options: FabricOptions
    gpu: str

    def predict(self, case: Case, row: MeasuredRow, gpus: int) -> StepPredictions:
        """Predict the step of a measured row.

        Args:
            case: What was measured.
            row: What came out, for the windows and for what was copied.
            gpus: Of the machine.
        """
        found = StepPredictions()
        try:
            steps = steps_from_dict(row, gpus, "rows.json")
        except ConfigError as error:  # what was measured must not be lost
            return StepPredictions(missing={MEASURED: str(error)})
        for basis, windows in self._windows(case, steps, found.missing).items():
            try:
                predicted = predict_steps(replace(steps, windows=windows), self.cluster, self.options)
            except ConfigError as error:
                found.missing[basis] = str(error)
            else:
                found.step_s[basis] = tuple(map(float, predicted.mean_s))
        return found

    def _windows(self, case: Case, steps: RecordedSteps, missing: dict[str, str]) -> dict[str, StepWindows]:
        """Windows by what they were taken from; of a model's kernels on a known GPU from each engine's tables, too."""
        windows = {MEASURED: steps.windows}
        if case.pipeline is None or case.pipeline.compute is None or not self.gpu:
            return windows
        for backend in BACKENDS:
            basis = f"{backend}'s tables"
            try:
                windows[basis] = self._table_windows(case, case.pipeline.compute, backend)
            except ConfigError as error:
                missing[basis] = str(error)
        return windows

    def _table_windows(self, case: Case, compute: LayerCompute, backend: str) -> StepWindows:
        """Windows of an engine's kernels, slower beside copies as `conf/compute/silicon.yaml` says.

        Raises:
            ConfigError: The tables lack them.
        """
        group = replace(preset(compute="silicon").compute, gpu=self.gpu, backend=backend, load=LOAD, cache=CACHE)
        times = compute_times(group, replace(compute.model, num_layers=case.layers, num_moe_layers=case.layers))
        assert times is not None
        return step_windows(times, [[tuple(map(Chunk, compute.lengths_of(rank)))] for rank in case.ranks])
