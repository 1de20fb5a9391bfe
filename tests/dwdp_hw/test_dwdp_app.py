"""`dwdp` as a user meets it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dwdp_sim
from dwdp_hw import dwdp_command, subcommands
from dwdp_hw.dwdp_command import run
from dwdp_hw.version import version_lines
from dwdp_sim.plain.help_text import help_of
from dwdp_sim.plain.words import BY_NAME, WORDS, Word
from tests.here import run_here
from tests.test_docs import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]
LITE = ("deepseek_v3_lite_nvfp4", "workload.range=false", "workload.draws=1")


@pytest.fixture
def dwdp(tmp_path: Path) -> Run:
    """Run `dwdp` in an empty folder."""

    def run_dwdp(*words: str, module: str = "dwdp_hw.dwdp_app") -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "default"}
        command = [sys.executable, "-m", module, *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=200
        )

    return run_dwdp


@pytest.mark.parametrize("words", [[], ["--help"], ["predict", "-h"], ["record", "--help"]], ids=" ".join)
def test_help_loads_nothing_that_one_would_wait_for(words: list[str]) -> None:
    heavy = ("numpy", "hydra", "omegaconf", "rich", "matplotlib", "pandas", "msgspec")
    code = f"import sys; sys.argv[1:] = {words}; from dwdp_hw.dwdp_app import main; main(); "
    code += f"sys.exit(', '.join(sorted(set({heavy}) & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.strip() == ""
    assert done.stdout.startswith("dwdp ")


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_every_word_has_help_and_an_answer(word: Word, capsys: pytest.CaptureFixture[str]) -> None:
    run([word.name, "x", "--help"])
    assert capsys.readouterr().out == help_of(word)
    assert word.name in dwdp_command._ANSWERS


def test_a_prediction_ends_in_the_command_that_gives_the_same(dwdp: Run, tmp_path: Path) -> None:
    done = dwdp("predict", *LITE, "--gpus", "2", "--slice", "1MiB", "--link-rate", "50%", "--out", "one")
    assert (done.returncode, done.stderr) == (0, "")
    assert "deepseek_v3_lite_nvfp4 on gb200_nvl72 with links × 0.5" in done.stdout
    line = done.stdout.splitlines()[-1].removeprefix("same as: ")
    program, *words = shlex.split(line.replace("run.dir=one", "run.dir=two"))
    assert program == "dwdp-sim"
    assert dwdp(*words, module="dwdp_sim").returncode == 0
    one, two = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two"))
    assert (one.pop("wall_s") > 0, two.pop("wall_s") > 0) == (True, True)
    assert one == two


def test_a_sweep_shows_its_rows_and_how_to_read_them_and_ends_with_1_if_jobs_failed(dwdp: Run, tmp_path: Path) -> None:
    # Of two ranks, one would have to copy 48 experts from a peer that holds 24.
    done = dwdp("sweep", *LITE, "--gpus", "2,3", "--link-rate", "100%,97%", "dwdp.num_experts_per_worker=24")
    assert done.returncode == 1
    header = "dwdp_size,link_rate,prefetch_latency_mean_s,range_mean_low_s,range_mean_high_s"
    rows = done.stdout[done.stdout.index(header) :].splitlines()[1:5]
    cells = [row.split(",") for row in rows]
    assert [row[:2] for row in cells] == [["2", "0.97"], ["2", "1.0"], ["3", "0.97"], ["3", "1.0"]]
    assert [row[2] == "" for row in cells] == [True, True, False, False]
    assert 1.02 < float(cells[2][2]) / float(cells[3][2]) < 1.035
    (folder,) = re.findall(r"load_results\('(results/sweep-\w+)'\)", done.stdout)
    assert (dwdp_sim.load_results(tmp_path / folder)["status"] == "ok").sum() == 2 * 3
    (query,) = re.findall(r"^read the rows: dwdp (.*)$", done.stdout, re.MULTILINE)
    assert dwdp(*shlex.split(query)).stdout.splitlines() == [header, *rows]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predct"], "there is no word 'predct'; nearest: predict"),
        (["zzz"], "there is no word 'zzz'; dwdp --help lists them"),
        (["predict", "--gpu", "8"], "there is no flag --gpu; nearest: --gpus, "),
        (["predict", "--on", "hgx_h20"], "--on=hgx_h20: allowed: dgx_b200, "),
        (["predict", "gpt-oss"], "model=gpt-oss: allowed: deepseek_r1_fp8, "),
        (["predict", "--gpus", "9", "--on", "hgx_h200"], "dwdp.dwdp_size=9: cluster hgx_h200 has 8 GPUs"),
        (["sweep", "--gpus", "2,x"], "--gpus=x: a whole number"),
        (["advise", "--within", "soon"], "--within=soon: a time above zero"),
        (["validate", "none.json"], "rows=none.json: cannot be read"),
        (["import", "none.sqlite"], "trace=none.sqlite: cannot be read"),
        (["check", "none.zip"], "none.zip"),
        (["check"], "the following arguments are required: bundle; dwdp check --help explains it"),
        (["node", "--only", "zzz"], "--only=zzz: allowed: health"),
        (["record", "--", "no-such-program"], "command=no-such-program: no such program"),
        (["report", "none"], "none"),
        (["query", "select 1"], "the following arguments are required: results"),
        (["version", "x"], "version=x: nothing stands behind it"),
        (["completion", "csh"], "completion=csh: allowed: bash, zsh, fish"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two_and_leaves_nothing(
    tmp_path: Path, words: list[str], said: str
) -> None:
    done = run_here("dwdp_hw.dwdp_app", *words, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_rows_that_were_recorded_are_validated_with_the_verdict_s_exit_code(dwdp: Run, tmp_path: Path) -> None:
    rows = str(ROOT / "measurements" / "h200_x2_validation_1.json")
    found = dwdp("validate", rows, "--on", "h200_x2", "--out", "page")
    assert found.returncode in (0, 5), found.stderr
    assert found.stdout.splitlines()[-1].startswith("same as: dwdp-hw mode=validate source=recorded rows=")
    assert (tmp_path / "page" / "validation.json").is_file()


def test_two_clusters_are_compared(dwdp: Run) -> None:
    compared = dwdp("report", "diff", "gb200_nvl72", "dgx_b200", "--json")
    assert compared.returncode == 1
    assert json.loads(compared.stdout)


def test_an_engine_is_recorded_and_its_exit_code_is_the_command_s(dwdp: Run, tmp_path: Path) -> None:
    done = dwdp("record", "--out", "records", "--", sys.executable, "-c", "import sys; sys.exit(7)")
    assert done.returncode == 7
    assert (tmp_path / "records").is_dir()


def test_an_engine_that_is_recorded_gets_the_signals_and_ends_in_its_own_time(tmp_path: Path) -> None:
    engine = (
        "import signal, sys, time\n"
        "def end(*_): time.sleep(1.5); sys.exit(41)\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-m", "dwdp_hw.dwdp_app", "record", "--", sys.executable, "-c", engine]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 41


@pytest.mark.parametrize("word", ["version", "--version"])
def test_the_version_says_what_there_is(dwdp: Run, word: str) -> None:
    done = dwdp(word)
    assert (done.returncode, done.stderr) == (0, "")
    toolkit, python, engine, gpus = done.stdout.splitlines()
    assert toolkit == f"dwdp-toolkit {dwdp_sim.__version__}"
    assert python.startswith("Python 3.")
    assert engine.startswith("engine: ")
    assert gpus.startswith("GPUs: ")


def test_the_version_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        missing = None

        def ask(self, function: str, *_: object) -> object:
            raise RuntimeError(f"{function} does not answer\nat all")

    monkeypatch.setattr("dwdp_hw.executors.cuda.nvml.Nvml", Broken)
    monkeypatch.setattr("dwdp_hw.version.find_spec", lambda _: None)
    *_, engine, gpus = version_lines()
    assert engine == "engine: SimPy alone; numba, which compiles the fast one, is not installed"
    assert gpus == "GPUs: cannot be asked for (RuntimeError: nvmlDeviceGetCount does not answer)"


@pytest.mark.parametrize("name", ["node", "check"])
def test_the_flags_of_words_before_hydra_are_those_that_their_parser_has(name: str) -> None:
    (commands,) = [a for a in subcommands.parser()._actions if a.dest == "command"]
    parser = commands.choices[name]  # type: ignore[index,call-overload]
    there = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
    assert {flag.name for flag in BY_NAME[name].flags} == there


def test_the_flags_of_report_query_and_record_are_there(dwdp: Run) -> None:
    modules = {
        "report": ("dwdp_sim.report_app", ["page", "--help"]),
        "query": ("dwdp_sim.report_app", ["query", "--help"]),
        "record": ("dwdp_hw.record", ["--help"]),
    }
    for name, (module, words) in modules.items():
        text = dwdp(*words, module=module).stdout
        assert {flag.name for flag in BY_NAME[name].flags} == set(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE))
