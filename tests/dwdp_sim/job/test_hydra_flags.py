"""Hydra's flags, read by a parser of our own."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from dwdp_sim.job.hydra_flags import read_command_line

VALUES = {"--cfg": "job", "--package": "a", "--config-path": "a", "--config-name": "a", "--config-dir": "a"}


def test_every_flag_that_hydra_lists_is_known_and_means_the_same() -> None:
    code = "import sys; sys.argv[0] = 'dwdp-sim'; from dwdp_sim.app import main; main()"
    listed = subprocess.run([sys.executable, "-c", code, "--hydra-help"], capture_output=True, text=True, check=True)
    flags = re.findall(r"^(--[a-z-]+)(?:,(-[a-z]+))? :", listed.stdout, re.MULTILINE)
    assert len(flags) > 10
    for long, short in flags:
        if long == "--experimental-rerun":
            continue
        for flag in filter(None, (long, short)):
            needed = ["--cfg", "job"] if long == "--resolve" else []
            line = read_command_line(["seed=1", *needed, flag, *filter(None, [VALUES.get(long)])])
            assert line.overrides == ["seed=1"]
            assert getattr(line, long.removeprefix("--").replace("-", "_")) not in (None, False)


def test_a_pickled_configuration_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_command_line(["--experimental-rerun", "config.pickle"])
    assert "unrecognized arguments: --experimental-rerun" in capsys.readouterr().err
