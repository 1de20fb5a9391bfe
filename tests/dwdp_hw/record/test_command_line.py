"""What the recorder's command refuses, in one line and with exit code 2, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwdp_hw.record.__main__ import HOOK, environment_of
from dwdp_hw.record.command_line import Request, read_request
from dwdp_hw.record.inside.start import FOLDER, WINDOW
from dwdp_sim.base.errors import ConfigError
from tests.dwdp_hw.record.conftest import python

REFUSED = {
    "no command": (["--out", "o"], "command=missing: the engine's command line is wanted after --"),
    "nothing behind the dashes": (["--out", "o", "--"], "command=missing"),
    "no such program": (["--out", "o", "--", "no-such-program"], "command=no-such-program: no such program"),
    "a file for a folder": (["--out", "file", "--", "true"], "--out=file: a folder in which records can be written"),
    "records of another run": (["--out", "old", "--", "true"], "--out=old: has records of another run"),
    "no number": (["--out", "o", "--profile-for", "long", "--", "true"], "--profile-for=long: seconds from 0 to"),
    "no time": (["--out", "o", "--profile-for", "1", "--profile-after", "nan", "--", "true"], "--profile-after=nan"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "record-0123456789ab.jsonl").write_text("")
    return tmp_path


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_refused_in_one_line(name: str, folder: Path) -> None:
    words, said = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        read_request(words)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_the_command_ends_with_exit_code_two_and_one_line(folder: Path, environment: dict[str, str]) -> None:
    ended = python(folder, environment, "-m", "dwdp_hw.record", "--out", "records")
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)


def test_a_program_that_the_system_cannot_run_is_one_line(folder: Path, environment: dict[str, str]) -> None:
    broken = folder / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    ended = python(folder, environment, "-m", "dwdp_hw.record", "--out", "records", "--", str(broken))
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "cannot be run: Exec format error" in ended.stderr


def test_options_of_the_engine_are_its_own(folder: Path) -> None:
    request = read_request(["--profile-for", "2", "--out", "new", "--", "true", "--out", "x", "--", "y"])
    assert Path(request.command[0]).name == "true"
    assert request.command[1:] == ("--out", "x", "--", "y")
    assert (request.folder, request.window) == (folder / "new", (10.0, 2.0))


def test_without_a_folder_records_go_to_one_of_their_own(folder: Path) -> None:
    made = read_request(["--", "true"]).folder
    assert made.is_relative_to(folder / "outputs")
    assert list(made.iterdir()) == []


def test_the_hook_comes_first_and_what_was_on_the_path_stays() -> None:
    request = Request(("true",), Path("/records"), (1.5, 2.0))
    changed = environment_of(request, {"PYTHONPATH": "/a:/b", "HOME": "/home"})
    path = f"{HOOK}:/a:/b"
    assert changed == {"HOME": "/home", "PYTHONPATH": path, FOLDER: "/records", WINDOW: "1.5,2.0"}
    assert environment_of(Request(("true",), Path("/r"), None), {}) == {"PYTHONPATH": str(HOOK), FOLDER: "/r"}
