"""Views of the engine's tables from inside compiled code.

Compiled functions take one argument, the addresses and lengths of all tables, instead of sixty arrays: what a call
costs would otherwise grow with the number of tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from dwdp_sim.base.arrays import Floats, Ints
from dwdp_sim.fabric.compiled import columns as c
from dwdp_sim.fabric.compiled.state import State


def _view(name: str, width: int, kind: Any) -> Callable[[Ints], Any]:
    """A function for compiled code that returns the table `name` as an array; of one dimension if `width` is 0.

    The array says that it has no rows: numba then adds nothing to a negative index, which none is, and that costs no
    time. `length` knows how many there are.
    """
    place = 2 * State._fields.index(name)
    array = types.Array(kind, 2 if width else 1, "C")

    @intrinsic
    def view(_context: Any, tables: Any) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            word = target.get_value_type(types.intp)
            address = _word(target, builder, arguments[0], place)
            found = make_array(array)(target, builder)
            item = target.get_abi_sizeof(target.get_data_type(kind))
            shape, strides = [word(0)], [word(item)]
            if width:
                shape, strides = [word(0), word(width)], [word(item * width), word(item)]
            populate_array(
                found,
                data=builder.inttoptr(address, found.data.type),
                shape=cgutils.pack_array(builder, shape),
                strides=cgutils.pack_array(builder, strides),
                itemsize=word(item),
                meminfo=None,
            )
            return found._getvalue()

        return array(tables), generate

    found: Any = view
    return cast(Callable[[Ints], Any], found)


def _word(target: Any, builder: Any, tables: Any, place: int) -> Any:
    """Read one of the addresses and lengths, of which the compiler is told that they never change."""
    word = builder.load(builder.gep(tables, [target.get_value_type(types.intp)(place)]))
    word.set_metadata("invariant.load", builder.module.add_metadata([]))
    return word


def length(name: str) -> Callable[[Ints], int]:
    """A function for compiled code that returns how many rows the table `name` has."""
    place = 2 * State._fields.index(name) + 1

    @intrinsic
    def rows(_context: Any, tables: Any) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return _word(target, builder, arguments[0], place)

        return types.intp(tables), generate

    found: Any = rows
    return cast(Callable[[Ints], int], found)


@intrinsic
def _smaller(_context: Any, one: Any, other: Any) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        flags = ("nnan", "nsz")
        return builder.select(builder.fcmp_ordered("<", *arguments, flags=flags), *arguments, flags=flags)

    return types.float64(one, other), generate


smaller_of = cast(Callable[[float, float], float], _smaller)
"""For compiled code: the smaller of two numbers that are not NaN; so the least of many is found several at a time."""


def ints(name: str) -> Callable[[Ints], Ints]:
    """A view of an array of whole numbers of the state."""
    return _view(name, 0, types.int64)


def floats(name: str) -> Callable[[Ints], Floats]:
    """A view of an array of real numbers of the state."""
    return _view(name, 0, types.float64)


def int_table(name: str, width: int) -> Callable[[Ints], Ints]:
    """A view of a table of whole numbers with `width` columns."""
    return _view(name, width, types.int64)


def float_table(name: str, width: int) -> Callable[[Ints], Floats]:
    """A view of a table of real numbers with `width` columns."""
    return _view(name, width, types.float64)


run_ints, run_floats = ints("ints"), floats("floats")
flow_i, rate_of = int_table("flow_i", c.FLOW_INTS), floats("rate_of")
use_i, use_f = int_table("use_i", c.RESOURCE_INTS), float_table("use_f", c.RESOURCE_FLOATS)
engine_i, engine_f = int_table("engine_i", c.ENGINE_INTS), float_table("engine_f", c.ENGINE_FLOATS)
window_i, heads = int_table("window_i", c.WINDOW_INTS), ints("heads")
stream_i, stream_f = int_table("stream_i", c.STREAM_INTS), float_table("stream_f", c.STREAM_FLOATS)
call_i, call_f = int_table("call_i", c.CALL_INTS), float_table("call_f", c.CALL_FLOATS)
run_i = int_table("run_i", c.RUN_INTS)
gpu_i, gpu_f = int_table("gpu_i", c.GPU_INTS), float_table("gpu_f", c.GPU_FLOATS)
rank_i, rank_f = int_table("rank_i", c.RANK_INTS), float_table("rank_f", c.RANK_FLOATS)
ring_i, ring_f = int_table("ring_i", c.RING_INTS), float_table("ring_f", c.RING_FLOATS)
barrier_i, barrier_s = int_table("barrier_i", c.BARRIER_INTS), floats("barrier_s")
gamma, both = float_table("gamma", 4), float_table("both", 2)
