"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dwdp_sim.base.atomic_file import write_whole


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "file.txt"
    for text in ("first", "second"):
        assert write_whole(path, lambda temporary, text=text: temporary.write_text(text)) == path
        assert path.read_text() == text
    assert os.listdir(path.parent) == ["file.txt"]


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fails(temporary: Path) -> None:
        temporary.write_text("half")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write_whole(path, fails)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_what_is_there_and_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder):
        with pytest.raises(OSError, match="not a regular file") as caught:
            write_whole(path, lambda temporary: temporary.write_text("text"))
        assert caught.value.filename == str(path)
    assert pipe.is_fifo()
    assert folder.is_dir()
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]
