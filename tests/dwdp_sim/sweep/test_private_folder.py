"""What launchers pickle is where nobody else can write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dwdp_sim.sweep import private_folder

SWEEP = "0123456789abcdef"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_nobody_else_can_write_to_it_whatever_the_umask(cache: Path) -> None:
    before = os.umask(0)
    try:
        folder = private_folder.make(SWEEP)
    finally:
        os.umask(before)
    assert folder.is_relative_to(cache)
    assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777 == 0o700
    assert private_folder.make(SWEEP) == folder
    private_folder.remove(SWEEP)
    assert not folder.exists()


def test_a_folder_that_others_can_write_to_or_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    folder = private_folder.make(SWEEP)
    folder.chmod(0o770)
    with pytest.raises(OSError, match="others can write to it"):
        private_folder.make(SWEEP)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(OSError, match="others can write to it"):
        private_folder.make(SWEEP)


@pytest.mark.parametrize("name", ["..", "", ".", "0123456789abcde/", "0123456789ABCDEF"])
def test_only_folders_with_a_sweep_s_name_are_removed(name: str, cache: Path) -> None:
    folder = private_folder.make(SWEEP)
    private_folder.remove(name)
    assert folder.is_dir()
