"""Times of routed experts: routing, quantisation, both grouped products, activation."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from dwdp_sim.base.errors import check_choice
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.curves import Curve, Reading, read_curve
from dwdp_sim.silicon.dense import memory_bound
from dwdp_sim.silicon.kernel_time import KernelTime
from dwdp_sim.silicon.roofs import Size, moe_roof
from dwdp_sim.silicon.table import Table
from dwdp_sim.silicon.tables import Kernels

LOADS = ("balanced", "power_law_1.01", "power_law_1.2")
FASTEST = "fastest"
# The tables' names of the experts' formats; MXFP4 weights meet FP8 or BF16 activations.
EXPERT_DTYPES = {
    "nvfp4": ("nvfp4",),
    "fp8_block": ("fp8_block",),
    "bf16": ("bfloat16",),
    "mxfp4": ("w4a8_mxfp4_mxfp8", "w4a16_mxfp4"),
}
_UNGATED = "nongated"  # in the names of kernels without a gate projection
_WITHOUT_FINALIZE = "min_latency"  # ends the names of kernels whose rows leave out the weighted sum of the experts
_REFERENCE = "cutlass"  # kernels whose rows of several ranks are smooth
_NEAREST = 4
_FARTHEST_OCTAVES = 2.0

Shape = tuple[int, int, int, int]


def moe_shape(model: MoEModel) -> Shape:
    """Hidden size, intermediate size, experts, experts of a token."""
    return model.hidden_size, model.intermediate_size, model.num_experts, model.top_k


@functools.lru_cache(maxsize=256)
def expert_dtypes(kernels: Kernels, model: MoEModel) -> tuple[str, ...]:
    """The measured formats that a model's experts can have, the likeliest first; perhaps none."""
    return tuple(
        dtype for dtype in EXPERT_DTYPES[model.weight_format] if _candidates(kernels, model, dtype, LOADS[0], 1)
    )


def expert_kernels(kernels: Kernels, model: MoEModel, dtype: str, load: str) -> tuple[str, ...]:
    """Names of the kernels that have rows for a model's experts."""
    return tuple(sorted(time.kernel for time in _candidates(kernels, model, dtype, load, 1)))


def moe(
    kernels: Kernels,
    model: MoEModel,
    tokens: int,
    kernel: str = FASTEST,
    load: str = "power_law_1.01",
    dtype: str | None = None,
    ranks: int = 1,
) -> KernelTime:
    """Time of the routed experts of one rank, without the finalize where `leaves_out_finalize`.

    Beyond the rows the utilisation is held; the range reaches from the secant of the last three rows to processing the
    tokens in parts that lie inside. Among several ranks a rank takes the row of one rank with as many tokens, since its
    share of all tokens' experts is as large; that the hottest rank has more is `hottest_rank`. There the range includes
    the balanced row of that many ranks, where one reaches so far.

    Args:
        kernels: GPU and engine.
        model: Gives the shape and the format of the weights.
        tokens: Tokens of the rank; with several ranks, of all ranks ÷ ranks.
        kernel: Its name in the table, or the fastest at this many tokens.
        load: How tokens are spread over the experts: balanced, or expert loads drawn from a power law.
        dtype: Format in the tables; None takes the likeliest that was measured.
        ranks: Ranks that share the experts; 1 has all of them, as under DWDP.

    Raises:
        ConfigError: The tables lack the format, the shape and all within two octaves, or the kernel.
    """
    check_choice("compute.load", load, LOADS)
    weights = dtype or _likeliest(kernels, model)
    found = _candidates(kernels, model, weights, load, tokens)
    if not found:
        kernels.refuse("experts", f"shape {moe_shape(model)} in {weights}")
    if kernel == FASTEST:
        time = min(found, key=lambda one: one.seconds + finalize(kernels, model, tokens, one.kernel).seconds)
    else:
        check_choice("compute.kernel", kernel, (FASTEST, *sorted(one.kernel for one in found)))
        time = next(one for one in found if one.kernel == kernel)
    return time if ranks == 1 else _among_ranks(kernels, model, weights, tokens, time, ranks)


def leaves_out_finalize(kernel: str) -> bool:
    """Whether a kernel's rows leave out the weighted sum of each token's experts."""
    return kernel.endswith(_WITHOUT_FINALIZE)


def finalize(kernels: Kernels, model: MoEModel, tokens: int, kernel: str) -> KernelTime:
    """Time of the weighted sum that a kernel's rows leave out; nothing where they include it."""
    moved = tokens * (model.top_k + 1) * model.hidden_size * 2 if leaves_out_finalize(kernel) else 0
    return memory_bound(kernels.gpu, moved)


def hottest_rank(kernels: Kernels, model: MoEModel, tokens: int, ranks: int, load: str) -> float:
    """Time of the rank with the most loaded experts ÷ the balanced time, at least 1.

    It compares the rows of `ranks` ranks under this load and under the balanced one; where a kernel of NVIDIA's CUTLASS
    was measured its rows are taken, since those of others scatter. Beyond the rows the last one counts.

    Args:
        kernels: GPU and engine.
        model: Gives shape and format.
        tokens: Tokens of a rank, on average.
        ranks: Ranks that share the experts.
        load: How tokens are spread over the experts.

    Raises:
        ConfigError: No such rows.
    """
    check_choice("compute.load", load, LOADS)
    dtype, key = _likeliest(kernels, model), (*moe_shape(model), ranks)
    even = {one.source.kernel: one.curves[key] for one in kernels.of("moe", dtype, "balanced") if key in one.curves}
    skewed = {one.source.kernel: one.curves[key] for one in kernels.of("moe", dtype, load) if key in one.curves}
    both = sorted((name for name in even if name in skewed), key=lambda name: not name.endswith(_REFERENCE))
    if not both:
        kernels.refuse("experts", f"shape {moe_shape(model)} on {ranks} ranks")
    sizes, seconds = even[both[0]]
    at = min(max(float(tokens * ranks), float(sizes[0])), float(sizes[-1]))
    other = skewed[both[0]]
    return max(1.0, float(np.interp(at, *other) / np.interp(at, sizes, seconds)))


def _likeliest(kernels: Kernels, model: MoEModel) -> str:
    found = expert_dtypes(kernels, model)
    return found[0] if found else EXPERT_DTYPES[model.weight_format][0]


def _candidates(kernels: Kernels, model: MoEModel, dtype: str, load: str, tokens: int) -> list[KernelTime]:
    """Every kernel's time; those of the very shape if there are any, otherwise those of shapes nearby."""
    tables = [one for one in kernels.of("moe", dtype, load) if _UNGATED not in one.source.kernel]
    own = [_own_shape(kernels, table, moe_shape(model), tokens) for table in tables]
    found = [time for time in own if time is not None]
    if found:
        return found
    others = [_nearby_shape(kernels, table, moe_shape(model), tokens) for table in tables]
    return [time for time in others if time is not None]


def _own_shape(kernels: Kernels, table: Table, shape: Shape, tokens: float) -> KernelTime | None:
    """Rows of the shape on one rank, otherwise on the fewest ranks that were measured, with as many tokens each."""
    measured = [key[4] for key in table.curves if key[:4] == shape]
    if not measured:
        return None
    ranks = min(measured)
    read = _read(kernels, table, (*shape, ranks), tokens * ranks)
    time = KernelTime.of(read, table.source)
    return time if ranks == 1 else time.as_neighbour()


def _nearby_shape(kernels: Kernels, table: Table, shape: Shape, tokens: float) -> KernelTime | None:
    """Time of the nearest shape in proportion to the roofs; the range is that of the four nearest.

    None if no shape lies within two octaves.
    """
    shapes = [(key[0], key[1], key[2], key[3]) for key in table.curves if key[4] == 1]
    away = {one: math.hypot(*(math.log2(a / b) for a, b in zip(one, shape, strict=True))) for one in shapes}
    near = sorted((one for one in shapes if away[one] <= _FARTHEST_OCTAVES), key=away.__getitem__)[:_NEAREST]
    if not near:
        return None
    dtype = table.source.dtype
    wanted = float(moe_roof(kernels.gpu, dtype, tokens, shape))
    times = [
        KernelTime.of(_read(kernels, table, (*one, 1), tokens), table.source).scaled(
            wanted / float(moe_roof(kernels.gpu, dtype, tokens, one))
        )
        for one in near
    ]
    widest = times[0].within(min(time.seconds for time in times), max(time.seconds for time in times))
    return widest.as_neighbour(2 ** away[near[0]])


def _read(kernels: Kernels, table: Table, key: Sequence[int], tokens: float) -> Reading:
    """A curve at a number of tokens over all ranks; beyond the rows with a range."""
    shape, ranks = (key[0], key[1], key[2], key[3]), key[4]

    def roof(x: Size) -> Size:
        return moe_roof(kernels.gpu, table.source.dtype, x, shape, ranks)

    curve = table.curves[tuple(key)]
    read = read_curve(curve, tokens, roof)
    last = int(curve.x[-1])
    if tokens <= last or len(curve.x) < 3:
        return read
    parts = math.ceil(tokens / last)
    others = (_secant(curve, tokens), parts * read_curve(curve, tokens / parts, roof).seconds)
    return read._replace(low_s=min(read.seconds, *others), high_s=max(read.seconds, *others))


def _secant(curve: Curve, x: float) -> float:
    """The straight line through the last row and the one two before it, at `x`."""
    slope = (curve.seconds[-1] - curve.seconds[-3]) / (curve.x[-1] - curve.x[-3])
    return float(curve.seconds[-1] + slope * (x - curve.x[-1]))


def _among_ranks(
    kernels: Kernels, model: MoEModel, dtype: str, tokens: int, time: KernelTime, ranks: int
) -> KernelTime:
    """A time of one rank with all experts, as that of a rank with a part of them."""
    key = (*moe_shape(model), ranks)
    rows = [
        one
        for one in kernels.of("moe", dtype, "balanced")
        if one.source.kernel == time.kernel and key in one.curves and tokens * ranks <= one.curves[key].x[-1]
    ]
    shared = [_read(kernels, table, key, tokens * ranks).seconds for table in rows]
    return time.as_neighbour().within(min(shared, default=math.inf), max(shared, default=0.0))
