"""Pictures are written in silence, whatever their text."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from dwdp_sim.results.png import write_png


def test_a_letter_that_no_font_has_is_a_box_and_no_warning(tmp_path: Path) -> None:
    figure = Figure()
    figure.suptitle("２ 模型")
    write_png(figure, tmp_path / "a.png")  # a warning would fail the test
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
