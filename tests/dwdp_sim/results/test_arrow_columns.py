"""Columns made from NumPy's memory are the columns that PyArrow makes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.results.arrow_columns import named, numbers


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.float64])
@pytest.mark.parametrize("step", [1, 3])
def test_numbers_keep_type_and_value(kind: type, step: int) -> None:
    values = np.arange(10).astype(kind)[::step]
    column = numbers(values)
    column.validate(full=True)
    assert column.equals(pa.array(values))
    assert numbers(values[:0]).equals(pa.array(values[:0]))


@given(names=st.lists(st.text(max_size=4), min_size=1, max_size=5), data=st.data())
def test_every_row_has_the_name_at_its_place(names: list[str], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(names) - 1)))
    column = named(np.array(places, dtype=np.int64), names)
    column.validate(full=True)
    assert column.to_pylist() == [names[place] for place in places]
    assert column.type == pa.dictionary(pa.int32(), pa.string())
