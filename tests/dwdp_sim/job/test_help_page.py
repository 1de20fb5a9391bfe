"""Help is there at once, and says what Hydra would say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dwdp_sim.job.help_page import print_help_if_asked
from dwdp_sim.job.hydra_app import run_app
from dwdp_sim.job.schema import SimConfig, register_schemas


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str | None:
    """What is printed without Hydra; None if it is left to Hydra."""
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", *arguments])
    return capsys.readouterr().out if print_help_if_asked("config") else None


@pytest.mark.parametrize("module", ["dwdp_sim.app", "dwdp_sim.advice.app", "dwdp_sim.report_app", "dwdp_hw.app"])
def test_a_command_s_help_imports_nothing_but_yaml(module: str) -> None:
    program = (
        f"import sys; sys.argv = ['command', '--help']; from {module} import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "late = 'hydra omegaconf rich numpy scipy numba simpy matplotlib pandas pyarrow duckdb'.split()\n"
        "sys.exit(', '.join(name for name in late if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 10


def test_the_page_is_hydra_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "my_node.yaml").write_text("name: my_node\n")
    flags = ("--help", "--config-dir", str(tmp_path))
    page = said(monkeypatch, capsys, *flags)
    register_schemas()
    with pytest.raises(SystemExit) as ended:
        run_app("config", SimConfig, lambda config, overrides: None, lambda job, folder: None)
    assert ended.value.code == 0
    assert page == capsys.readouterr().out
    assert "h200_x2, hgx_h200, my_node\n" in str(page)


def test_what_only_hydra_can_fill_in_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"without": "seed: 1\n", "with": "hydra: {help: {template: 'all: $CONFIG'}}\n"}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
        assert said(monkeypatch, capsys, "--help", "--config-dir", str(tmp_path), "--config-name", name) is None
    assert said(monkeypatch, capsys, "--help", "--config-name", "nothing_of_this_name") is None
    assert said(monkeypatch, capsys, "seed=1") is None


def test_a_config_that_is_no_yaml_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(SystemExit) as ended:
        said(monkeypatch, capsys, "--help", "--config-dir", str(tmp_path), "--config-name", "broken")
    assert ended.value.code == 2
    assert "--config-name=" in capsys.readouterr().err
