"""One transformer layer of a MoE model as torch computes it, for the requests of one forward step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dwdp_hw.kernels.allowed import refuse_model
from dwdp_hw.kernels.attention import ATTENTION, attention_kernels
from dwdp_hw.kernels.experts import ROUTED, feed_forward_kernels, routed_kernels
from dwdp_hw.kernels.tools import Kernel, Tools
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel, attention_of, dense_width
from dwdp_sim.silicon.products import router_product

# Operations of the tables that are part of another one here.
PART_OF = {
    "finalize": ROUTED,
    "rotary position, cache": ATTENTION,
    "rotary position and cache": ATTENTION,
    "rotary position, cache, quantisation": ATTENTION,
}
_WARM_UPS = 3


class TorchLayer:
    """A layer with random weights of its own and random activations; all experts are loaded evenly.

    Every layer of a model can be computed with the one object, since layers differ in their weights only.

    Attributes:
        kernels: In the order in which they run.
        tokens: New tokens.
        tools: Holds activations and weights.
    """

    def __init__(
        self,
        torch: Any,
        model: MoEModel,
        lengths: Sequence[int],
        *,
        device: str = "cuda",
        dense: bool = False,
        seed: int = 0,
    ) -> None:
        """Make weights and activations.

        Args:
            torch: The module.
            model: With its attention.
            lengths: Of the requests, which have no tokens of earlier steps.
            device: `cuda`, `cpu` or `meta`.
            dense: Whether it is one of the layers without experts.
            seed: Of weights and activations.

        Raises:
            ConfigError: Torch has no kernels for it.
        """
        refuse_model(model)
        lengths = sorted(lengths, reverse=True)
        self.tokens = sum(lengths)
        self.tools = Tools(torch, device, seed)
        if device == "cuda":
            torch.compiler.reset()  # what was compiled for other shapes would count towards a limit
        self.kind = attention_of(model).kind
        with torch.no_grad():
            at, hidden = self.tools.at, model.hidden_size
            at["x"], at["delta"] = (self.tools.random(self.tokens, hidden) for _ in range(2))
            at["positions"] = torch.cat([torch.arange(length, device=device) for length in lengths])
            feed_forward = self._dense(model) if dense else self._moe(model)
            self._add_and_norm = self.tools.fused(self._added_and_normed)
            self.kernels: tuple[Kernel, ...] = (
                Kernel("input norm", False, self._input_norm),
                *attention_kernels(self.tools, model, lengths),
                Kernel("norm before feed-forward", False, self._second_norm),
                *feed_forward,
            )

    def _dense(self, model: MoEModel) -> list[Kernel]:
        return feed_forward_kernels(self.tools, model, dense_width(model), "dense", "out")

    def _moe(self, model: MoEModel) -> list[Kernel]:
        shared = feed_forward_kernels(self.tools, model, model.shared_intermediate_size, "shared", "shared")
        return [
            *self.tools.product(router_product(model), "normed", "logits"),
            *routed_kernels(self.tools, model, self.tokens),
            *shared,
            *([Kernel("sum of experts", True, self._sum)] if shared else []),
        ]

    def _input_norm(self) -> None:
        at = self.tools.at
        at["residual"], at["normed"] = self._add_and_norm(at["x"], at["delta"])

    def _second_norm(self) -> None:
        at = self.tools.at
        at["residual"], at["normed"] = self._add_and_norm(at["residual"], at["attended"])

    def _added_and_normed(self, values: Any, added: Any) -> tuple[Any, Any]:
        found = values + added
        return found, self.tools.norm(found)

    def _sum(self) -> None:
        at = self.tools.at
        at["out"] = at["routed"] + at["shared"]

    @property
    def names(self) -> tuple[str, ...]:
        """Operations, each once, in the order of their first kernel."""
        return tuple(dict.fromkeys(kernel.name for kernel in self.kernels))

    def run(self, *, in_moe: bool) -> None:
        """Launch one part: what comes before the MoE block, or the block."""
        with self.tools.torch.no_grad():
            for kernel in self.kernels:
                if kernel.in_moe is in_moe:
                    kernel.run()

    def run_operation(self, name: str) -> None:
        """Launch one operation on what the last run of the layer left behind."""
        with self.tools.torch.no_grad():
            for kernel in self.kernels:
                if kernel.name == name:
                    kernel.run()

    def warm_up(self) -> None:
        """Run everything a few times and wait, so that later runs neither load nor allocate.

        Raises:
            ConfigError: A kernel does not run here, or the memory does not suffice.
        """
        torch = self.tools.torch
        for kernel in self.kernels * _WARM_UPS:
            try:
                with torch.no_grad():
                    kernel.run()
            except torch.OutOfMemoryError as error:
                raise ConfigError(
                    "workload.max_num_tokens", self.tokens, f"too many tokens: {_first(error)}"
                ) from error
            except RuntimeError as error:
                key = "model.attention.kind" if kernel.name == ATTENTION else "model.format"
                value = self.kind if kernel.name == ATTENTION else kernel.name
                raise ConfigError(key, value, f"torch cannot run it on this GPU: {_first(error)}") from error
        if self.tools.device == "cuda":
            torch.cuda.synchronize()

    def close(self) -> None:
        """Give weights and activations back to the GPU."""
        self.kernels = ()
        self.tools.at.clear()
        self.tools.weights.clear()
        if self.tools.device == "cuda":
            self.tools.torch.cuda.synchronize()
            self.tools.torch.cuda.empty_cache()

    def commands(self) -> int:
        """How many commands one run puts on its stream, counted at the operators of torch; rather too many.

        Only where functions are not compiled: on the processor, or where nothing is computed (`meta`).
        """
        from dwdp_hw.kernels.commands import count_commands  # noqa: PLC0415  # its class derives from one of torch's

        def whole() -> None:
            for part in (False, True):
                self.run(in_moe=part)

        return count_commands(whole)


def _first(error: BaseException) -> str:
    """The first line of an error, which torch follows by pages."""
    return str(error).strip().split("\n", 1)[0]
