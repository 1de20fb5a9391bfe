"""Build and run `mode=windows`: time the kernels of a model's layer for the steps that the simulator would draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.job.drawn_steps import draw_step_lengths
from dwdp_hw.job.measurement import check_counts, hash_hw_config, resolved_config
from dwdp_hw.job.schema import BackendConfig, Executor, HwConfig
from dwdp_hw.kernels.expected import ExpectedLayer, expected_layer
from dwdp_hw.kernels.layer import TorchLayer
from dwdp_hw.kernels.machine import describe, open_torch, refuse_gpu
from dwdp_hw.kernels.timing import Effort, LayerTiming, time_layer
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.config_values import read_values
from dwdp_sim.job.groups import build_model, build_placement
from dwdp_sim.job.make import check_seed
from dwdp_sim.job.resolve import explicit_keys, resolve
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.steps.requests import Chunk

Lengths = tuple[int, ...]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Layer:
    """A layer of one distinct step.

    Attributes:
        lengths: Of the step's requests.
        dense: Whether it is one of the layers without experts.
    """

    lengths: Lengths
    dense: bool


@dataclass(frozen=True)
class WindowsJob:
    """A checked measurement of compute windows.

    Attributes:
        model: Whose layers.
        ranks: By rank and step, warm-up included, the lengths of the requests.
        gpu: Kind of GPU whose tables are asked.
        effort: How often things are timed.
        seed: Of steps, inputs and orders.
        config: The resolved configuration.
        config_hash: Of `config`.
    """

    model: MoEModel
    ranks: Sequence[Sequence[Lengths]]
    gpu: str
    effort: Effort
    seed: int
    config: dict[str, Any]
    config_hash: str

    @property
    def layers(self) -> list[Layer]:
        """Every distinct layer once: equal steps take equally long, as MoE layers of a step do."""
        steps = dict.fromkeys(lengths for rank in self.ranks for lengths in rank)
        kinds = (False, True) if self.model.num_dense_layers else (False,)
        return [Layer(lengths, dense) for lengths in steps for dense in kinds]

    def expected(self) -> dict[Layer, dict[str, ExpectedLayer]]:
        """What the tables say of each layer, by engine."""
        return {
            layer: expected_layer(self.model, self.gpu, tuple(map(Chunk, layer.lengths)), dense=layer.dense)
            for layer in self.layers
        }


@dataclass(frozen=True)
class MeasuredWindows:
    """What was measured.

    Attributes:
        machine: GPU and versions.
        timings: Of each distinct layer.
    """

    machine: dict[str, Any]
    timings: dict[Layer, LayerTiming]

    def windows(self, job: WindowsJob) -> dict[str, Any]:
        """The content of a file that `compute=file` reads."""
        model, timings = job.model, self.timings
        dense, layers = model.num_dense_layers, model.num_moe_layers

        def moe_s(lengths: Lengths) -> float:
            moe = timings[Layer(lengths, False)].moe
            assert moe is not None
            return round(moe.median_s, 9)

        def lead_s(lengths: Lengths) -> float:
            return round(dense * timings[Layer(lengths, True)].before.median_s, 9) if dense else 0.0

        def before_s(lengths: Lengths) -> float:
            return round(timings[Layer(lengths, False)].before.median_s, 9)

        return {
            "lead_s": [[lead_s(step) for step in rank] for rank in job.ranks],
            "before_s": [[[before_s(step)] * layers for step in rank] for rank in job.ranks],
            "moe_s": [[[moe_s(step)] * layers for step in rank] for rank in job.ranks],
            "tokens": [[sum(step) for step in rank] for rank in job.ranks],
        }


def build_windows_job(composed: DictConfig, overrides: Sequence[str]) -> WindowsJob:
    """Check a composed configuration.

    Raises:
        ConfigError: Something in it cannot be used.
        NoGpuError: There is no GPU or no torch.
    """
    read: HwConfig = read_values(composed)
    config = resolve(read, explicit_keys(overrides))
    check_seed(config.seed)
    model = build_model(config.model)
    ranks = draw_step_lengths(config, model, build_placement(config.dwdp, model).dwdp_size)
    gpu = config.compute.gpu or config.cluster.gpu
    if not gpu:
        raise ConfigError("compute.gpu", "missing", "the cluster does not say its kind of GPU, as H200; give it here")
    job = WindowsJob(
        model, ranks, gpu, _effort(config.backend), config.seed, resolved_config(config), hash_hw_config(config)
    )
    if config.backend.executor is Executor.host:
        raise ConfigError("backend.executor", "host", "mode=windows measures a GPU's kernels: cuda")
    count_gpus()
    refuse_gpu(open_torch(), model)
    return job


def _effort(backend: BackendConfig) -> Effort:
    check_counts(backend, warmups=0, repeats=1, rounds=1)
    return Effort(backend.warmups, backend.repeats, backend.rounds)


def measure_windows(job: WindowsJob, progress: Progress = lambda what, done, of: None) -> MeasuredWindows:
    """Time every distinct layer on this machine's first GPU.

    Raises:
        ConfigError: A kernel does not run on this GPU.
    """
    torch = open_torch()
    timings: dict[Layer, LayerTiming] = {}
    layers = job.layers
    for number, layer in enumerate(layers):
        progress(f"{sum(layer.lengths):,} tokens", number, len(layers))
        built = TorchLayer(torch, job.model, layer.lengths, dense=layer.dense, seed=job.seed)
        timings[layer] = time_layer(torch, built, job.effort, job.seed)
        built.close()
    return MeasuredWindows(describe(torch), timings)
