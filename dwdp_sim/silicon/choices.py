"""What decides a layer's kernels and is not in the model: engine, kernel, load of the experts, formats."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.attention import CACHES
from dwdp_sim.silicon.experts import FASTEST, LOADS
from dwdp_sim.silicon.products import DTYPES
from dwdp_sim.silicon.tables import BACKENDS, Kernels, Tables

AS_MODEL = "model"


@dataclass(frozen=True)
class Choices:
    """Which of the measured kernels run.

    Attributes:
        backend: The engine, `trtllm` or `sglang`.
        kernel: Kernel of the routed experts, as the table names it, or `fastest`.
        load: How tokens are spread over the experts: `balanced`, `power_law_1.01` or `power_law_1.2`.
        cache: Format of the cache of keys and values, `bf16` or `fp8`; `model` is FP8 for NVFP4 weights, otherwise
            BF16.
        projections: Format of attention's projections, as in `moe.FORMATS`; `model` is the model's own.
        experts: Format of the experts in the tables; `model` is the likeliest measured one of the model's.
        version: The engine's version that the tables must be of; None takes what they hold.
    """

    backend: str = "trtllm"
    kernel: str = FASTEST
    load: str = "power_law_1.01"
    cache: str = AS_MODEL
    projections: str = AS_MODEL
    experts: str = AS_MODEL
    version: str | None = None

    def __post_init__(self) -> None:
        check_choice("compute.backend", self.backend, BACKENDS)
        check_choice("compute.load", self.load, LOADS)
        check_choice("compute.cache", self.cache, (AS_MODEL, *CACHES))
        check_choice("compute.projections", self.projections, (AS_MODEL, *DTYPES))

    def kernels(self, tables: Tables, gpu: str) -> Kernels:
        """The tables of a GPU and the chosen engine.

        Raises:
            ConfigError: The GPU is unknown, or its tables are of another version of the engine.
        """
        kernels = tables.on(gpu, self.backend)
        held = {table.source.version for table in kernels.of("moe")}
        if self.version is not None and self.version not in held:
            raise ConfigError(
                "compute.version", self.version, f"the tables hold {self.backend} {', '.join(sorted(held))}"
            )
        return kernels

    def cache_of(self, model: MoEModel) -> str:
        """Format of a model's cache."""
        if self.cache != AS_MODEL:
            return self.cache
        return "fp8" if model.weight_format == "nvfp4" else "bf16"

    def projection_dtype(self, attention: Attention) -> str:
        """The tables' name of the format of attention's projections."""
        return DTYPES[attention.weight_format if self.projections == AS_MODEL else self.projections]
