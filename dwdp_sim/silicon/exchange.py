"""Times of the exchange of tokens between ranks that share a layer's experts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.model.moe import MoEModel, remote_ranks
from dwdp_sim.silicon.curves import read_curve
from dwdp_sim.silicon.kernel_time import KernelTime
from dwdp_sim.silicon.roofs import BYTES
from dwdp_sim.silicon.table import NCCL, Table
from dwdp_sim.silicon.tables import Kernels

ONE_SIDED, TWO_SIDED = "NVLinkOneSided", "NVLinkTwoSided"
EXCHANGES = ("default", ONE_SIDED, TWO_SIDED, NCCL)
_HOME = "gb200"  # the only GPU whose exchanges over NVLink were measured
_SAME_DOMAIN = ("gb200", "gb300")  # one NVLink domain of 72 GPUs, fifth generation
_BACK = "bfloat16"  # what experts return
_HALF_BYTES = 2.0
# Formats in which tokens travel to the experts, by the format of the weights.
_SENT = {"nvfp4": "nvfp4", "fp8_block": "fp8", "bf16": "bfloat16", "mxfp4": "bfloat16"}
# Phases in the table, and which of them carry tokens to the experts or back.
_PREPARE, _DISPATCH, _COMBINE = "alltoall_prepare", "alltoall_dispatch", "alltoall_combine"


@dataclass(frozen=True)
class Exchange:
    """The two ways of a layer's tokens.

    Attributes:
        dispatch: To the experts.
        combine: Back.
        prepare: What comes before, where the kernel needs it.
    """

    dispatch: KernelTime
    combine: KernelTime
    prepare: KernelTime | None = None

    @property
    def times(self) -> tuple[KernelTime, ...]:
        """The phases in their order."""
        return (*((self.prepare,) if self.prepare else ()), self.dispatch, self.combine)

    @property
    def seconds(self) -> float:
        """Time of all phases."""
        return math.fsum(time.seconds for time in self.times)

    @property
    def low_s(self) -> float:
        """Least time of all phases."""
        return math.fsum(time.low_s for time in self.times)

    @property
    def high_s(self) -> float:
        """Most."""
        return math.fsum(time.high_s for time in self.times)


def all_to_all(kernels: Kernels, model: MoEModel, tokens: int, ranks: int, kernel: str = "default") -> Exchange:
    """Time of dispatch and combine of one MoE layer.

    On GPUs of one NVLink domain TensorRT-LLM's measured exchange is taken (GB200's rows, GB300 has the same links):
    `NVLinkOneSided`, unless the other is asked for. Elsewhere it is NCCL's measured all_gather and reduce_scatter, and
    the range reaches down to GB200's exchange in proportion to the links. The rows are of width 7168 and eight
    experts a token that lie on as many ranks as they can; times are scaled by bytes and by the ranks that a token
    really reaches.

    Args:
        kernels: GPU and engine.
        model: Gives width, experts of a token and the format in which tokens travel.
        tokens: Tokens of a rank.
        ranks: Ranks that share the experts, at least two.
        kernel: One of `EXCHANGES`.

    Raises:
        ConfigError: Fewer than two ranks, or no such rows.
    """
    if ranks < 2:
        raise ConfigError("dwdp.dwdp_size", ranks, "an exchange needs at least two ranks")
    if kernel not in EXCHANGES:
        raise ConfigError("compute.exchange", kernel, f"allowed: {', '.join(EXCHANGES)}")
    own = kernels.backend == "trtllm" and kernels.gpu.name in _SAME_DOMAIN
    if kernel in (ONE_SIDED, TWO_SIDED) or (own and kernel != NCCL):
        found = _over_nvlink(kernels, model, tokens, ranks, TWO_SIDED if kernel == TWO_SIDED else ONE_SIDED)
        if found is None:
            kernels.refuse("exchange", f"{kernel} on {ranks} ranks")
        return found
    gathered = _over_nccl(kernels, model, tokens, ranks)
    bound = _over_nvlink(kernels, model, tokens, ranks, ONE_SIDED)
    if bound is None:
        return gathered
    return Exchange(
        gathered.dispatch.within(bound.dispatch.low_s, 0.0), gathered.combine.within(bound.combine.low_s, 0.0)
    )


def _over_nvlink(kernels: Kernels, model: MoEModel, tokens: int, ranks: int, kernel: str) -> Exchange | None:
    """The exchange as on GB200, in proportion to the links; None without rows."""
    home = kernels.tables.gpus.get(_HOME)
    if home is None:
        return None
    tables = [one for one in kernels.tables.load("a2a", _HOME, "trtllm") if one.source.kernel == kernel]
    slower = home.link_bytes_per_s / kernels.gpu.link_bytes_per_s
    phases = {
        phase: _phase(tables, phase, sent, model, tokens, ranks)
        for phase, sent in ((_DISPATCH, _SENT[model.weight_format]), (_COMBINE, _BACK), (_PREPARE, ""))
    }
    times = {
        phase: (time.scaled(slower) if kernels.gpu.name == _HOME else time.scaled(slower).as_neighbour())
        for phase, time in phases.items()
        if time is not None
    }
    if not {_DISPATCH, _COMBINE} <= times.keys():
        return None
    return Exchange(times[_DISPATCH], times[_COMBINE], times.get(_PREPARE))


def _phase(tables: list[Table], phase: str, sent: str, model: MoEModel, tokens: int, ranks: int) -> KernelTime | None:
    """One phase from the rows of the nearest format and number of ranks, scaled by bytes and ranks reached."""
    wanted = _SENT[model.weight_format]
    rows = [one for one in tables if one.source.detail == phase]
    rows.sort(key=lambda one: (one.source.dtype != wanted, one.source.dtype))
    keys = sorted(rows[0].curves, key=lambda key: (abs(math.log2(key[3] / ranks)), key)) if rows else []
    if not keys:
        return None
    table, (width, _, top_k, of_ranks) = rows[0], keys[0]
    read = read_curve(table.curves[keys[0]], tokens, lambda x: x)
    time = KernelTime.of(read, table.source)
    if not sent:
        return time
    carried = BYTES[sent] / BYTES[table.source.dtype if phase == _DISPATCH else _BACK]
    reached = remote_ranks(ranks, model.top_k) / (min(top_k, of_ranks) - 1)
    bytes_ratio = carried * model.hidden_size / width
    scaled = time.scaled(reached * bytes_ratio).within(math.inf, time.seconds * bytes_ratio)
    same = (carried, of_ranks, width) == (1.0, ranks, model.hidden_size)
    return scaled if same else scaled.as_neighbour(max(ranks / of_ranks, of_ranks / ranks))


def _over_nccl(kernels: Kernels, model: MoEModel, tokens: int, ranks: int) -> Exchange:
    """Every rank gets every token and adds up what it computed of each: all_gather and reduce_scatter."""
    elements = ranks * tokens * model.hidden_size
    shrunk = BYTES[_SENT[model.weight_format]] / _HALF_BYTES
    return Exchange(
        _collective(kernels, "all_gather", elements * shrunk, ranks),
        _collective(kernels, "reduce_scatter", elements, ranks),
    )


def _collective(kernels: Kernels, name: str, elements: float, ranks: int) -> KernelTime:
    """A collective at a size of its gathered buffer.

    Where the number of ranks was not measured, the nearest is taken in proportion to the bytes that a rank receives.
    """
    found = kernels.tables.load(NCCL, kernels.gpu.name, NCCL)
    tables = [one for one in found if (one.source.dtype, one.source.detail) == ("half", name)]
    keys = sorted(tables[0].curves, key=lambda key: abs(math.log2(key[0] / ranks))) if tables else []
    if not keys:
        kernels.refuse(NCCL, name)
    of_ranks = keys[0][0]
    time = KernelTime.of(read_curve(tables[0].curves[keys[0]], elements, lambda x: x), tables[0].source)
    if of_ranks == ranks:
        return time
    apart = max(ranks / of_ranks, of_ranks / ranks)
    return time.scaled((ranks - 1) / ranks * of_ranks / (of_ranks - 1)).as_neighbour(apart)
