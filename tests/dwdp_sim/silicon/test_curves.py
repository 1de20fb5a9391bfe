"""Laws of interpolation and of holding what a kernel reaches of its roof."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.silicon.curves import Curve, Sites, Surface, read_curve
from dwdp_sim.silicon.roofs import Size

SECONDS = st.floats(1e-6, 1e-1)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Two to eight rows."""
    sizes = sorted(draw(st.sets(st.integers(1, 10**6), min_size=2, max_size=8)))
    seconds = draw(st.lists(SECONDS, min_size=len(sizes), max_size=len(sizes)))
    return Curve(np.array(sizes, dtype=np.int64), np.array(seconds))


def roof(x: Size) -> Size:
    """Bound by memory at first, by FLOPs later."""
    return np.maximum(1e-7 + 1e-12 * np.asarray(x), 1e-10 * np.asarray(x))


def grid_roof(heads: Size, length: Size, batch: Size) -> Size:
    return np.asarray(heads * batch * length * (1e-12 * length + 1e-9))


def surface(growth: float = 1.0) -> Surface:
    """Rows for lengths 256 to 4096 and batches 1, 2, 4 as long as 8192 tokens are not exceeded."""
    columns = {}
    for heads in (32, 64):
        for batch in (1, 2, 4):
            lengths = [length for length in (256, 512, 1024, 2048, 4096) if length * batch <= 8192]
            seconds = [1e-5 + growth * heads * batch * length * (2e-12 * length + 3e-9) for length in lengths]
            columns[heads, batch] = Curve(np.array(lengths, dtype=np.int64), np.array(seconds))
    return Surface(columns)


@given(curves(), st.data())
def test_a_question_at_a_row_gives_the_row(curve: Curve, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(curve.x) - 1))
    found = read_curve(curve, int(curve.x[row]), roof)
    assert (found.seconds, found.how, found.outside) == (curve.seconds[row], "measured", 1.0)


@given(curves(), st.data())
def test_between_two_rows_a_time_lies_between_theirs(curve: Curve, data: st.DataObject) -> None:
    row = data.draw(st.integers(1, len(curve.x) - 1))
    x = data.draw(st.floats(float(curve.x[row - 1]), float(curve.x[row])))
    found = read_curve(curve, x, roof)
    ends = curve.seconds[row - 1 : row + 1]
    assert ends.min() * (1 - 1e-12) <= found.seconds <= ends.max() * (1 + 1e-12)
    assert found.how in ("measured", "interpolated")
    assert found.outside == 1.0


@given(curves())
def test_nothing_jumps_where_the_rows_end(curve: Curve) -> None:
    for end, beyond in ((0, float(curve.x[0]) * (1 - 1e-9)), (-1, float(curve.x[-1]) * (1 + 1e-9))):
        assert read_curve(curve, beyond, roof).seconds == pytest.approx(curve.seconds[end], rel=1e-6)


@given(curves(), st.floats(1.01, 1e3), st.floats(1.01, 10))
def test_beyond_the_rows_a_time_grows_with_the_roof_and_says_how_far(curve: Curve, far: float, more: float) -> None:
    last = float(curve.x[-1])
    near, beyond = (read_curve(curve, last * factor, roof) for factor in (far, far * more))
    assert beyond.seconds >= near.seconds
    assert near.how == "held"
    assert near.outside == pytest.approx(far)
    assert near.seconds / roof(last * far) == pytest.approx(curve.seconds[-1] / roof(last))


def test_the_median_of_three_ends_is_held_for_products() -> None:
    curve = Curve(np.array([10, 20, 40, 80], dtype=np.int64), np.array([1.0, 2.0, 8.0, 12.0]))
    assert read_curve(curve, 160, lambda x: np.asarray(x) * 0.01, ends=3).seconds == pytest.approx(1.6 * 12.0 / 0.8)


def test_a_question_at_a_row_of_a_surface_gives_the_row() -> None:
    of = surface()
    for (heads, batch), curve in of.columns.items():
        for length, seconds in zip(curve.x.tolist(), curve.seconds.tolist(), strict=True):
            found = of.read(heads, length, batch, grid_roof)
            assert (found.seconds, found.how, found.outside) == (seconds, "measured", 1.0)


@given(st.floats(256, 2048), st.floats(1, 4), st.floats(32, 64))
def test_inside_a_surface_a_time_lies_between_the_corners(length: float, batch: float, heads: float) -> None:
    of = surface()
    found = of.read(heads, length, batch, grid_roof)
    ends = [2 ** np.floor(np.log2(length)), 2 ** np.ceil(np.log2(length))]
    corners = [of.read(h, n, b, grid_roof).seconds for h in (32, 64) for n in ends for b in (1, 2, 4)]
    assert min(corners) * (1 - 1e-9) <= found.seconds <= max(corners) * (1 + 1e-9)
    assert found.how in ("measured", "interpolated")


def test_along_the_length_the_square_root_is_interpolated() -> None:
    of = Surface({(8, 1): Curve(np.array([100, 200], dtype=np.int64), np.array([1.0, 9.0]))})
    assert of.read(8, 150, 1, grid_roof).seconds == pytest.approx(4.0)


@given(st.floats(1.05, 16), st.floats(1.0, 4.0), st.sampled_from((1, 2, 4)))
def test_beyond_a_surface_times_grow_and_are_marked(factor: float, more: float, batch: int) -> None:
    of = surface()
    longest = 4096 if batch < 4 else 2048
    near, far = (of.read(64, longest * by, batch, grid_roof) for by in (factor, factor * more))
    assert near.how == "held"
    assert near.outside > 1.0
    assert near.low_s <= near.seconds * (1 + 1e-12)
    assert near.seconds <= near.high_s * (1 + 1e-12)
    assert far.seconds >= near.seconds * (1 - 1e-9)


def test_nothing_jumps_where_a_surface_ends() -> None:
    of = surface()
    edge = of.read(64, 4096, 1, grid_roof).seconds
    assert of.read(64, 4096 * (1 + 1e-6), 1, grid_roof).seconds == pytest.approx(edge, rel=1e-3)


def test_a_corner_without_rows_is_carried_over_from_the_other_side_and_marked() -> None:
    found = surface().read(64, 3000, 4, grid_roof)  # 4096 × 4 was not measured, 2048 × 4 was
    at_2048 = surface().read(64, 2048, 4, grid_roof).seconds
    assert found.seconds == pytest.approx(at_2048 * grid_roof(64, 3000, 4) / grid_roof(64, 2048, 4))
    assert (found.how, found.outside) == ("held", pytest.approx(3000 / 2048))


def product_roof(rows: Size, outputs: Size, inputs: Size) -> Size:
    return np.asarray(1e-12 * rows * outputs * inputs)


def test_an_unknown_matrix_takes_the_utilisation_of_its_neighbours_and_their_range() -> None:
    rows = np.array([64, 128], dtype=np.int64)
    reached = {(256, 256): 0.5, (512, 256): 0.25, (4096, 4096): 0.1}
    of = Sites({site: Curve(rows, product_roof(rows, *site) / share) for site, share in reached.items()}, product_roof)
    found = of.read(96, (360, 256))
    assert found is not None
    bound = float(product_roof(96, 360, 256))
    assert found.how == "neighbour"
    assert (found.low_s, found.high_s) == (pytest.approx(bound / 0.5), pytest.approx(bound / 0.25))
    assert found.low_s < found.seconds < found.high_s


def test_no_matrix_within_two_octaves_is_no_answer() -> None:
    rows = np.array([64, 128], dtype=np.int64)
    of = Sites({(256, 256): Curve(rows, product_roof(rows, 256, 256))}, product_roof)
    assert of.read(96, (256, 2048)) is None
