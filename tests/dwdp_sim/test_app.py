"""`dwdp-sim` as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dwdp_sim.app import main
from dwdp_sim.job.config_files import config_dir
from tests.dwdp_sim.composing import job

LITE = "model=deepseek_v3_lite_nvfp4"
BAD = {
    "an unknown model": (["model=foo"], "model=foo: allowed: deepseek_r1_fp8, "),
    "a model of a thousand letters": ([f"model={'x' * 1000}"], "allowed: deepseek_r1_fp8, "),
    "no place in a list": (
        ["++fabric.measured.x=1"],
        "fabric.measured.x=1: a place in a list is named by a whole number",
    ),
    "more GPUs than a table has rows": (["cluster.num_gpus=9223372036854775807"], "must be from 1 to 100000"),
    "a tree deleted with a value": (["~cluster.constants=1"], "Could not delete from config"),
    "an unknown strategy": (["strategy=foo"], "strategy=foo: allowed: batched, "),
    "an unknown cluster": (["cluster=foo"], "cluster=foo: allowed: dgx_b200, "),
    "an unknown key": (
        ["strategy.slice=1"],
        "there is no key 'slice'; nearest: strategy.slice_bytes",
    ),
    "an unknown key, added": (
        ["+dwdp.dwdp_sise=8"],
        "dwdp.dwdp_sise=8: there is no key 'dwdp_sise'; nearest: dwdp.dwdp_size",
    ),
    "an unknown key, added by force": (["++seeed=1"], "seeed=1: there is no key or group 'seeed'; nearest: seed"),
    "a key without its group": (["dwdp_size=8"], "there is no key or group 'dwdp_size'; nearest: dwdp.dwdp_size"),
    "a key like no other": (["+nokey=3"], "nokey=3: there is no key or group 'nokey'; known there: model, cluster, "),
    "an unknown key of a constant": (
        ["+cluster.constants.refill.vallue=any"],
        "there is no key 'vallue'; nearest: cluster.constants.refill.value",
    ),
    "an unknown constant": (["cluster.constants.x.value=1"], "cluster.constants.x=1: there is no key 'x'"),
    "no key": (["=3"], "=3: the key before the = is missing"),
    "no value": (["seed"], "seed: cannot be read as key=value (missing EQUAL at '<EOF>')"),
    "a character that needs quotes": (["model.name=ключ"], "(a character that only quotes allow); quoted values are"),
    "a number of thousands of digits": (["seed=" + "9" * 5000], f"seed={'9' * 200}…: Exceeds the limit (4300 digits)"),
    "a width beyond all measure": (
        ["model.hidden_size=1000000000000000000"],
        "model.hidden_size=1000000000000000000: must be from 1 to 1000000",
    ),
    "more experts than fit in memory": (["model.num_experts=1000000000"], "must be from 1 to 100000"),
    "ranks without number": (["model.num_experts=100000", "dwdp.dwdp_size=100000"], "must be from 2 to 1024"),
    "a slice beyond all measure": (["strategy.slice_bytes=" + "9" * 400], "at most 9223372036854775807 fits"),
    "a slice of other digits": (["strategy.slice_bytes='２MiB'"], "a size from one byte to 1024 TiB"),
    "a wave beyond all measure": (
        ["strategy=waves", "strategy.wave_copies=9999999999999"],
        "strategy.wave_copies=9999999999999: must be from 1 to 5000000",
    ),
    "a time beyond all measure": (
        ["cluster.constants.peer_fixed_s.value=1e300"],
        "cluster.constants.peer_fixed_s.value=1e+300: a number from 0 to 1e+06 is wanted",
    ),
    "a name for a terminal": (
        ["model.name='a\x1b[31m'"],
        "model.name=a\\x1b[31m: printable text is wanted",
    ),
    "a cluster's name for a terminal": (["cluster.name='a\tb'"], "cluster.name=a\\tb: printable text is wanted"),
    "a device for a file": (["dwdp.trtllm_yaml=/dev/zero"], "cannot be read as YAML: not a regular file"),
    "a sweep over nothing": (["-m", "seed=range(3,1)"], "seed=range(3,1): sweeps over nothing"),
    "a bad value in a sweep over files": (["-m", "strategy=glob(b*)", "seed=1,-1"], "seed=-1: a whole number from 0"),
    "a sweep over no option": (["-m", "strategy=glob(x*)"], "strategy=glob(x*): sweeps over nothing"),
    "a setting that Hydra stumbles over": (["hydra.verbose=3"], "Hydra cannot work with these settings of its own: "),
    "workers that cannot be": (["workers=0"], "workers=0: at least 1 is wanted, or null for one a core"),
    "steps without number": (
        ["workload=iteration", "workload.iterations=99999999999999"],
        "workload.iterations=99999999999999: must be from 1 to 10000",
    ),
    "a background beyond all measure": (
        ["workload=iteration", LITE, "workload.background_bytes_per_token=1e300"],
        "workload.background_bytes_per_token=1e+300: bytes from 0 to 1e+08 are wanted",
    ),
    "completion of no shell": (["-sc"], "--shell-completion goes with install=SHELL"),
    "a group of no name": (["cluster=null"], "cluster=null: allowed: dgx_b200, "),
    "a group that is a number": (["model=3"], "model=3: allowed: deepseek_r1_fp8, "),
    "a number for a flag": (["fabric.both_ways=7"], "fabric.both_ways=7: true or false is wanted"),
    "an unknown flag": (["--foo"], "unrecognized arguments: --foo; --hydra-help lists the flags"),
    "a flag without its value": (["--config-name"], "argument --config-name/-cn: expected one argument"),
    "flags that exclude one another": (["--cfg", "job", "-m"], "--multirun/-m: not allowed with argument --cfg/-c"),
    "resolving nothing": (["--resolve"], "--resolve goes with --cfg"),
    "an unknown primary config": (["--config-name", "nope"], "there is no config of the name 'nope'"),
    "an unknown folder": (["--config-dir", "/nonexistent"], "--config-dir=/nonexistent: there is no such folder"),
    "an unknown main folder": (["--config-path", "conf"], "--config-path=conf: an absolute path of a folder is wanted"),
    "showing what cannot be composed": (["--cfg", "job", "model=foo"], "model=foo: allowed: deepseek_r1_fp8, "),
    "a run folder that cannot be": (["hydra.run.dir=/proc/x"], "/proc/x: No such file or directory"),
    "a line end in a value": (["issue_mode='a\nb'"], "issue_mode=a\\nb: allowed: queued, as_issued"),
    "a value without end": (["issue_mode=" + "x" * 10_000], f"issue_mode={'x' * 200}…: allowed: queued, as_issued"),
    "an unknown implementation": (["strategy.implementation=x"], "strategy.implementation=x: allowed: trtllm_ipc, "),
    "an unknown option": (["fabric.sharing=x"], "fabric.sharing=x: allowed: fair, equal, fifo"),
    "an unknown start": (["workload.start=never"], "workload.start=never: allowed: random, offsets, lockstep, file"),
    "a start of a file that there is not": (["workload.start=file"], "only workload=replay has starts in a file"),
    "no draws": (["workload.draws=0"], "workload.draws=0: from 1 to 10000 draws are wanted"),
    "a window of no bytes": (
        ["cluster.constants.refill.value=bytes", "cluster.constants.in_flight_bytes.value=0"],
        "cluster.constants.in_flight_bytes.value=0: a number ≥ 1 is wanted",
    ),
    "two ways to walk a batch at once": (
        ["cluster.constants.in_flight_bytes.value=1MiB"],
        "cluster.constants.in_flight_bytes.value=given: contradicts cluster.constants.refill.value=oldest",
    ),
    "starts too far apart": (
        ["workload.start=offsets", "workload.offsets_s=[0,0,0,2]"],
        "workload.offsets_s=2 s apart: starts within 1 s of one another are wanted",
    ),
    "an unknown issue mode": (["issue_mode=x"], "issue_mode=x: allowed: queued, as_issued"),
    "a text for a number": (["dwdp.dwdp_size=x"], "dwdp.dwdp_size=x: Value 'x' of type 'str' could not be converted"),
    "sizes that do not add up": (
        ["dwdp.num_experts_per_worker=64", "dwdp.num_prefetch_experts=63"],
        "dwdp.num_experts_per_worker=64: num_experts_per_worker + (dwdp_size - 1)·num_prefetch_experts must equal",
    ),
    "one rank": (["dwdp.dwdp_size=1"], "dwdp.dwdp_size=1: must be from 2 to 1024"),
    "more ranks than GPUs": (["dwdp.dwdp_size=73"], "dwdp.dwdp_size=73: cluster gb200_nvl72 has 72 GPUs"),
    "negative L": (["dwdp.num_experts_per_worker=-1"], "dwdp.num_experts_per_worker=-1: must be from 1 to 255"),
    "negative P": (["dwdp.num_prefetch_experts=-1"], "dwdp.num_prefetch_experts=-1: must be at least 1"),
    "a slice of nothing": (["strategy.slice_bytes=0"], "strategy.slice_bytes=0: a size from one byte to 1024 TiB"),
    "a slice that is no size": (
        ["strategy.slice_bytes=big"],
        "strategy.slice_bytes=big: a size from one byte to",
    ),
    "slices without number": (["strategy.slice_bytes=1"], "strategy.slice_bytes=1: would make 19,025,369,088 copies"),
    "more ranks than experts": (
        ["model=mixtral_8x7b_bf16", "dwdp.dwdp_size=9"],
        "dwdp.dwdp_size=9: the model has 8 experts",
    ),
    "an infinite constant": (
        ["cluster.constants.peer_fixed_s.value=inf"],
        "cluster.constants.peer_fixed_s.value=inf: a finite number is wanted",
    ),
    "an infinite gap": (["cluster.constants.peer_gap_s.value=[[1,inf]]"], "value[0][1]=inf: a finite number"),
    "a start that is no number": (
        ["workload.start=offsets", "workload.offsets_s=[0,0,0,nan]"],
        "workload.offsets_s[3]=nan: a finite number is wanted",
    ),
    "a start beyond all measure": (
        ["workload.start=offsets", "workload.offsets_s=[0,0,0,1e300]"],
        "workload.offsets_s=[0.0, 0.0, 0.0, 1e+300]: 4 seconds from 0 to 1e+06 are wanted, one a rank",
    ),
    "a random start beyond all measure": (
        ["workload.start=random", "workload.max_phase_s=1e300"],
        "workload.max_phase_s=1e+300: seconds above zero and up to 1 are wanted",
    ),
    "offsets that nothing reads": (
        ["workload.offsets_s=[0,0,0,1e-3]"],
        "workload.offsets_s=[0.0, 0.0, 0.0, 0.001]: only workload.start=offsets of a layer reads them",
    ),
    "more experts a token than there are": (["model.top_k=257"], "model.top_k=257: at most num_experts=256"),
    "layers without number": (
        ["model.num_layers=100000000000"],
        "must be from 1 to 10000",
    ),
    "a memory that is no number": (
        ["cluster.constants.gpu_memory_bytes.value=abc"],
        "cluster.constants.gpu_memory_bytes.value=abc: a number ≥ 0 is wanted",
    ),
    "a memory of nothing": (
        ["cluster.constants.gpu_memory_bytes.value=0"],
        "cluster.constants.gpu_memory_bytes.value=0.0: at least one byte is wanted",
    ),
    "a file that nothing reads": (["workload.file=none"], "workload.file=none: only workload=replay reads a file"),
    "a missing constant": (
        ["~cluster.constants.egress_bytes_per_s"],
        "cluster.constants.egress_bytes_per_s=missing: cluster gb200_nvl72 has no such constant",
    ),
    "a constant out of range": (
        ["cluster.constants.incast_factor_2.value=2"],
        "cluster.constants.incast_factor_2.value=2: {pull: factor, push: factor} in (0, 1] is wanted",
    ),
    "an interval of one number": (
        ["cluster.constants.peer_fixed_s.interval=[1e-6]"],
        "cluster.constants.peer_fixed_s.interval=[1e-06]: [low, high] with finite numbers, low ≤ high, is wanted",
    ),
    "an interval of words": (
        ["cluster.constants.incast_factor_2.interval={pull:[0.9,a],push:[0.9,1]}"],
        "cluster.constants.incast_factor_2.interval={'pull': [0.9, 'a'], 'push': [0.9, 1]}: [low, high] with",
    ),
    "an interval of compute's": (
        ["workload=iteration", "compute=silicon", "compute.constants.memory_taken.interval=[1,0]"],
        "compute.constants.memory_taken.interval=[1, 0]: [low, high] with finite numbers, low ≤ high, is wanted",
    ),
    "replay without a file": (["workload=replay"], "workload.file=missing: a program is wanted"),
    "replay of no file": (["workload=replay", "workload.file=none"], "workload.file=none: cannot be read as JSON"),
    "an unreadable config.json": (
        ["model=hf", "model.config_json=none", "model.format=nvfp4"],
        "model.config_json=none: cannot be read as JSON: No such file",
    ),
    "hf without a file": (["model=hf"], "model.hidden_size=missing: give it, or a config.json"),
    "an unreadable YAML": (["dwdp.trtllm_yaml=none"], "dwdp.trtllm_yaml=none: cannot be read as YAML"),
    "overlap in sglang": (
        ["dwdp.dwdp_size=3", "strategy.implementation=sglang"],
        "strategy.implementation=sglang: does not allow overlapping experts",
    ),
    "a negative seed": (["seed=-1"], "seed=-1: a whole number from 0 to 4611686018427387904"),
    "a sweep without -m": (["strategy=default,batched"], "add -m to run all of them"),
    "a bad value late in a sweep": (["-m", "dwdp.dwdp_size=4,8,1"], "dwdp.dwdp_size=1: must be from 2 to 1024"),
    "offsets for too few ranks": (
        ["workload.start=offsets", "workload.offsets_s=[0.0]"],
        "workload.offsets_s=[0.0]: 4 seconds from 0 to 1e+06 are wanted",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_two_and_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("dwdp-sim: ")
    assert message in printed.err
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_is_a_file_of_its_folder_and_a_missing_one_is_answered_with_those_there_are(
    tmp_path: Path,
) -> None:
    shipped = [path.stem for path in (config_dir() / "experiment").glob("*.yaml")]
    experiments = tmp_path / "my conf, x=y's" / "experiment"
    experiments.mkdir(parents=True)
    for name, text in {
        "two": "dwdp: {dwdp_size: 2}",
        "unknown": "dwdp: {dwdp_sise: 2}",
        "wrong": "dwdp: {dwdp_size: a}",
        "broken": "dwdp: [",
    }.items():
        (experiments / f"{name}.yaml").write_text(f"# @package _global_\n{text}\n")
    arguments = ("--config-dir", "my conf, x=y's", LITE, "workload.range=false", "hydra.run.dir=run")
    done = dwdp_sim(tmp_path, *arguments, "+experiment=two")
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "run" / "summary.json").read_text())["ranks"]) == 2
    for name, message in {
        "x": ": experiment=x: allowed: " + ", ".join(sorted({*shipped, "broken", "two", "unknown", "wrong"})) + "\n",
        "unknown": ": in experiment/unknown: dwdp.dwdp_sise: there is no key 'dwdp_sise'; nearest: dwdp.dwdp_size\n",
        "wrong": ": in experiment/wrong: dwdp.dwdp_size: Value 'a' of type 'str' could not be converted to Integer\n",
        "broken": 'experiment/broken.yaml", line 3, column 1\n',
    }.items():
        failed = dwdp_sim(tmp_path, *arguments, f"+experiment={name}")
        assert failed.returncode == 2
        assert failed.stderr.count("\n") == 1
        assert failed.stderr.endswith(message)


def dwdp_sim(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from dwdp_sim.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def test_one_prediction_prints_a_plain_table_and_writes_its_files(tmp_path: Path) -> None:
    done = dwdp_sim(tmp_path, "hydra.run.dir=run", "strategy=default", "model=deepseek_v3_lite_nvfp4")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for word in ("prefetch latency", "contention", "lower bound", "assumed constants", "fits in 186 GB"):
        assert word in done.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["plan"]["bytes_per_rank"] == [358_318_512] * 4
    assert {"config.yaml", "copies.parquet", "timeline.png", "trace.json"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }


def test_a_sweep_runs_every_job_and_a_combination_that_fails_is_one_line_and_costs_no_other(tmp_path: Path) -> None:
    sweep = ("-m", LITE, "workload.range=false", "hydra.sweep.dir=sweep")
    done = dwdp_sim(tmp_path, *sweep, "strategy=default,batched")
    assert done.returncode == 0, done.stderr
    found = [json.loads((tmp_path / "sweep" / str(i) / "summary.json").read_text())["strategy"] for i in range(2)]
    assert found == ["default", "batched"]
    # The second job, 2 × 24, does not go together: 48 experts from one peer that holds 24.
    sizes = ("dwdp.dwdp_size=2,3", "dwdp.num_experts_per_worker=36,24")
    failed = dwdp_sim(tmp_path, *sweep[:-1], "hydra.sweep.dir=failing", *sizes)
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "job 1: dwdp.num_experts_per_worker=24: must be at least num_prefetch_experts=48" in failed.stderr
    assert [i for i in range(4) if (tmp_path / "failing" / str(i) / "summary.json").exists()] == [0, 2, 3]


def test_equal_runs_in_two_processes_differ_in_wall_time_only(tmp_path: Path) -> None:
    for name in ("a", "b"):
        options = (LITE, "workload.range=false", "fabric.batch_order=swapped", "seed=7")
        assert dwdp_sim(tmp_path, f"hydra.run.dir={name}", *options).returncode == 0
    for file in ("copies.parquet", "trace.json", "timeline.png", "config.yaml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    first, second = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("a", "b"))
    assert first.pop("wall_s") != second.pop("wall_s")
    assert first == second


def test_a_replayed_program_reports_its_streams_in_the_file_s_order(tmp_path: Path) -> None:
    copy = {"issue": "async", "src": "gpu1", "dst": "gpu0", "bytes": 1048576, "count": 64}
    push = {"issue": "batch", "copies": [{"src": "gpu1", "dst": "gpu0", "bytes": 2097152, "count": 100}]}
    streams = [{"gpu": 1, "start_s": 1e-3, "calls": [push]}, {"gpu": 0, "queued": False, "calls": [copy]}]
    (tmp_path / "program.json").write_text(json.dumps({"streams": streams}))
    done = dwdp_sim(tmp_path, "workload=replay", "workload.file=program.json", "cluster=h200_x2", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [stream["gpu"] for stream in summary["streams"]] == [1, 0]
    # The push runs alone after 1 ms: the fixed part and 200 MiB at the pair's rate.
    cluster = job("cluster=h200_x2", "dwdp.dwdp_size=2").cluster
    alone_s = cluster.number("peer_fixed_s") + 200 * 2**20 / cluster.rate("pair_bytes_per_s")
    assert summary["streams"][0]["elapsed_s"] == pytest.approx(alone_s, rel=1e-9)
    assert not {"ranks", "plan", "model", "strategy"} & set(summary)
    assert (summary["start"], summary["draws"], summary["draw_spread"]) == ("file", 1, None)
    low, high = summary["range_s"]["mean"]
    assert low <= sum(stream["elapsed_s"] for stream in summary["streams"]) / 2 <= high


@pytest.mark.parametrize("workload", ["workload=layer", "workload=iteration workload.replications=1"])
def test_a_picture_has_room_for_names_of_a_thousand_letters(tmp_path: Path, workload: str) -> None:
    named = [f"{key}.name={'W' * 1000}" for key in ("model", "cluster")]
    done = dwdp_sim(tmp_path, LITE, *workload.split(), *named, "workload.range=false")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_teaches(tmp_path: Path) -> None:
    done = dwdp_sim(tmp_path, "--help")
    assert done.returncode == 0
    for word in ("dwdp-sim model=", "cluster: dgx_b200", "strategy: batched", "workload.file", "ui.perfetto.dev"):
        assert word in done.stdout


def test_bad_input_does_not_wait_for_what_only_runs_need() -> None:
    late = ("matplotlib", "pandas", "pyarrow", "scipy")
    program = (
        f"import sys, dwdp_sim.command; sys.exit(', '.join(name for name in {late} if name in sys.modules) or None)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("workload", ["workload=layer", "workload=iteration workload.replications=2"])
def test_predicting_imports_neither_torch_nor_cuda_nor_what_reads_results(tmp_path: Path, workload: str) -> None:
    others = {"torch", "cuda", "dwdp_hw", "pandas", "duckdb"}
    code = (
        "import sys; from dwdp_sim.app import main\n"
        "try: main()\n"
        f"finally: print('LOADED', sorted({{name.split('.')[0] for name in sys.modules}} & {others}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, LITE, *workload.split(), "workload.range=false"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout


def test_a_file_of_one_s_own_that_would_hang_hydra_or_fill_the_memory_is_refused_in_one_line(tmp_path: Path) -> None:
    clusters = tmp_path / "mine" / "cluster"
    clusters.mkdir(parents=True)
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    for write, said in (
        (lambda path: path.write_text("\n".join(lines)), "has more than 100000 values"),
        (os.mkfifo, "not a regular file"),
    ):
        (clusters / "node.yaml").unlink(missing_ok=True)
        write(clusters / "node.yaml")
        done = dwdp_sim(tmp_path, "--config-dir", "mine", "cluster=node")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"--config-dir=mine/cluster/node.yaml: cannot be read as YAML: {said}" in done.stderr
        assert done.stderr.count("\n") == 1


JSON = {
    "a layer": ["dwdp.dwdp_size=2", "workload.draws=2"],
    "forward steps": ["dwdp.dwdp_size=2", "workload=iteration", "workload.range=false", "workload.replications=1"],
    "a replay": ["workload=replay", "workload.file=program.json", "workload.range=false"],
}


@pytest.mark.parametrize("name", JSON)
def test_json_prints_the_summary_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    call = {"issue": "async", "src": "gpu1", "dst": "gpu0", "bytes": 1_000_000}
    Path("program.json").write_text(json.dumps({"streams": [{"gpu": 0, "calls": [call]}]}))
    model = [] if name == "a replay" else [LITE]
    given = [*model, "cluster=h200_x2", *JSON[name], "json=true", "hydra.run.dir=out"]
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", *given])
    main()
    printed = capsys.readouterr().out
    assert printed == Path("out/summary.json").read_text()
    assert json.loads(printed)["config_hash"]


@pytest.mark.parametrize("how", [["-m", "seed=0,1"], ["-m", "seed=0,1", "results_dir=rows"], ["hydra.mode=MULTIRUN"]])
def test_a_sweep_is_not_printed_as_one_document(
    how: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dwdp-sim", *how, LITE, "json=true"])
    with pytest.raises(SystemExit) as stopped:
        main()
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert "json=true: -m has many results" in printed.err
    assert list(tmp_path.iterdir()) == []
