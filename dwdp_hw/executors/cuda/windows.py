"""What a pipeline's layers compute on the compute stream: a timed kernel, matrix products, or a model's kernels."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from dwdp_hw.cases.case import Case, LayerCompute
from dwdp_hw.executors.cuda.gpu import Gpu
from dwdp_hw.executors.cuda.kernels import Kernels
from dwdp_hw.kernels.layer import TorchLayer
from dwdp_hw.kernels.machine import open_torch, refuse_gpu
from dwdp_sim.base.errors import ConfigError

if TYPE_CHECKING:
    from cuda.core import Stream

_MATRIX = 4096


class Windows(Protocol):
    """The compute of each layer.

    Attributes:
        has_before: Whether layers compute something before they wait for their experts.
        commands: How many commands a layer puts on its stream.
    """

    has_before: bool
    commands: int

    def before(self, layer: int) -> None:
        """Launch what the layer computes before it waits for its experts."""

    def compute(self, layer: int) -> None:
        """Launch what it computes with them."""

    def close(self) -> None:
        """Give back what the windows hold."""


def make_windows(gpu: Gpu, kernels: Kernels, case: Case, rank: int, stream: Stream) -> Windows:
    """Return the windows of a case on one rank, warmed up on `stream`.

    Raises:
        ConfigError: They cannot be computed here.
    """
    pipeline = case.pipeline
    assert pipeline is not None
    windows_s = pipeline.windows_s(rank, case.layers)
    if pipeline.compute is not None:
        return KernelWindows(gpu, pipeline.compute, rank, stream)
    if pipeline.window == "matmul":
        return ProductWindows(gpu, windows_s, stream)
    return SpinWindows(gpu, kernels, windows_s, pipeline.befores_s(rank, case.layers), stream)


class SpinWindows:
    """A timed kernel on one multiprocessor."""

    def __init__(
        self, gpu: Gpu, kernels: Kernels, windows_s: Sequence[float], befores_s: Sequence[float], stream: Stream
    ) -> None:
        self._gpu, self._kernels, self._stream = gpu, kernels, stream
        self._windows_ns, self._befores_ns = ([int(s * 1e9) for s in seconds] for seconds in (windows_s, befores_s))
        self.has_before = any(self._befores_ns)
        self.commands = 1 + self.has_before
        self._spun = gpu.allocate(16)

    def before(self, layer: int) -> None:
        """As `Windows`."""
        self._kernels.spin(self._befores_ns[layer], self._spun, self._stream)

    def compute(self, layer: int) -> None:
        """As `Windows`."""
        self._kernels.spin(self._windows_ns[layer], self._spun, self._stream)

    def close(self) -> None:
        """As `Windows`."""
        self._gpu.free(self._spun)


class ProductWindows:
    """As many BF16 matrix products as fill each window on this GPU."""

    has_before = False

    def __init__(self, gpu: Gpu, windows_s: Sequence[float], stream: Stream) -> None:
        try:
            torch = importlib.import_module("torch")
        except ImportError as error:
            raise ConfigError("backend.window", "matmul", f"needs torch ({error}); use spin") from error
        torch.cuda.set_device(gpu.ordinal)
        generator = torch.Generator(device="cuda").manual_seed(0)
        shape = (_MATRIX, _MATRIX)
        options = {"device": "cuda", "dtype": torch.bfloat16}
        self._left = torch.randn(shape, generator=generator, **options)
        self._right = torch.randn(shape, generator=generator, **options)
        self._product = torch.empty(shape, **options)
        torch.cuda.synchronize()
        self._torch, self._torch_stream = torch, torch.cuda.ExternalStream(int(stream.handle))
        begin, end = gpu.event(), gpu.event()
        for count in (10, 50):  # the first round warms up
            gpu.record(begin, stream)
            self._multiply(count)
            gpu.record(end, stream)
            gpu.wait_event(end, "calibrating matrix products")
        product_s = gpu.between_s(begin, end) / count
        self._products = [max(round(window_s / product_s), 1) for window_s in windows_s]
        self.commands = max(self._products)

    def before(self, layer: int) -> None:
        """As `Windows`; there is nothing."""

    def compute(self, layer: int) -> None:
        """As `Windows`."""
        self._multiply(self._products[layer])

    def close(self) -> None:
        """As `Windows`."""
        del self._left, self._right, self._product

    def _multiply(self, count: int) -> None:
        with self._torch.cuda.stream(self._torch_stream):
            for _ in range(count):
                self._torch.mm(self._left, self._right, out=self._product)


class KernelWindows:
    """The kernels of a model's layer, in torch, with weights of their own: the slots hold test patterns."""

    has_before = True

    def __init__(self, gpu: Gpu, compute: LayerCompute, rank: int, stream: Stream) -> None:
        torch = open_torch()
        torch.cuda.set_device(gpu.ordinal)
        refuse_gpu(torch, compute.model)
        gpu.place.at("warming up the model's kernels")
        self._torch, self._stream = torch, torch.cuda.ExternalStream(int(stream.handle))
        self.commands = TorchLayer(torch, compute.model, compute.lengths_of(rank), device="meta").commands()
        with self._on_stream():  # so that later allocations find this stream's blocks
            self._layer = TorchLayer(torch, compute.model, compute.lengths_of(rank))
            torch.cuda.synchronize()
            self._layer.warm_up()
            torch.cuda.synchronize()

    def before(self, layer: int) -> None:
        """As `Windows`."""
        self._run(in_moe=False)

    def compute(self, layer: int) -> None:
        """As `Windows`."""
        self._run(in_moe=True)

    def close(self) -> None:
        """As `Windows`; the memory goes back to the GPU, where the next case's buffers need it."""
        self._layer.close()

    def _run(self, *, in_moe: bool) -> None:
        with self._on_stream():
            self._layer.run(in_moe=in_moe)

    def _on_stream(self) -> AbstractContextManager[Any]:
        block: AbstractContextManager[Any] = self._torch.cuda.stream(self._stream)
        return block
