"""Columns of an Arrow table, made from NumPy's memory: `pyarrow.array` would import pandas, in half a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dwdp_sim.base.arrays import Ints


def numbers(values: npt.NDArray[Any]) -> pa.Array:
    """Return a column of whole or real numbers, of the type that the values have."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def named(places: Ints, names: Sequence[str]) -> pa.DictionaryArray:
    """Return a column of texts, each stored once.

    Args:
        places: Place in `names` of each row's text.
        names: All texts.
    """
    texts = [name.encode() for name in names]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    dictionary = pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))
    return pa.DictionaryArray.from_arrays(numbers(places.astype(np.int32)), dictionary)
