"""A temporary name tells whose it is: what the dead have left goes, what the living use stays."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.owner import remove_leftovers, temporary_name

NAME = "from dwdp_sim.base.owner import temporary_name; print(temporary_name('rows', '.parquet'))"


@pytest.fixture
def of_the_dead() -> str:
    return subprocess.check_output([sys.executable, "-c", NAME], text=True).strip()


def test_only_what_the_dead_have_left_is_removed(of_the_dead: str, tmp_path: Path) -> None:
    ours = temporary_name("rows", ".parquet")
    elsewhere = re.sub(r"\.[0-9a-f]{8}-", ".00000000-", of_the_dead)
    for name in (of_the_dead, ours, elsewhere, "rows.parquet", ".rows.parquet", ".rows.12-34.parquet"):
        (tmp_path / name).touch()
    (tmp_path / f"{of_the_dead[:-8]}.folder").mkdir()
    remove_leftovers(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {ours, elsewhere, "rows.parquet", ".rows.parquet", ".rows.12-34.parquet"}


def test_a_number_that_another_process_has_now_does_not_keep_it(tmp_path: Path) -> None:
    ours = temporary_name("rows")
    machine, pid, started, rest = ours.split(".")[-1].split("-")
    earlier = tmp_path / f".rows.{machine}-{pid}-{int(started) - 1}-{rest}"
    earlier.touch()
    remove_leftovers(tmp_path)
    assert not earlier.exists()


def test_a_link_is_removed_and_not_followed(of_the_dead: str, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / of_the_dead).symlink_to(tmp_path / "kept")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


CUT_SHORT = """
import os, pathlib, sys
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.owner import remove_unfinished
def cut_short(path):
    path.write_text("half")
    remove_unfinished()
    os._exit(0 if not path.exists() else 1)
write_whole(pathlib.Path(sys.argv[1]), cut_short)
"""


def test_a_file_that_is_being_written_is_found_and_removed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CUT_SHORT, tmp_path / "file.json"], check=True)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_file_whose_writing_fails(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / ("long" * 60), fail)
    assert list(tmp_path.iterdir()) == []
