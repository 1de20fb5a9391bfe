"""Plain words as command lines of Hydra's apps."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.resolve import explicit_keys
from dwdp_sim.plain.translate import translate
from dwdp_sim.plain.words import BY_NAME
from tests.dwdp_sim.composing import config_object


def line(word: str, *words: str) -> str:
    return translate(BY_NAME[word], words).line


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("predict", "dwdp-sim"),
        ("predict org/name --gpus 8 --on hgx_h200", "dwdp-sim model=org/name dwdp.dwdp_size=8 cluster=hgx_h200"),
        ("predict --slice 2MiB --engine sglang", "dwdp-sim strategy.slice_bytes=2MiB strategy.implementation=sglang"),
        ("predict --strategy default", "dwdp-sim strategy=default"),
        ("predict --strategy a.py:own", "dwdp-sim strategy=custom strategy.path=a.py:own"),
        ("predict --isl 4096", "dwdp-sim workload.isl=4096 workload=iteration"),
        ("predict --tokens 8192 workload=layer", "dwdp-sim workload.max_num_tokens=8192 workload=layer"),
        ("predict --link-rate 97%", "dwdp-sim cluster.link_rate=0.97"),
        ("predict --trtllm extra.yaml --format fp8", "dwdp-sim dwdp.trtllm_yaml=extra.yaml model.format=fp8_block"),
        ("predict --out out/one --json", "dwdp-sim hydra.run.dir=out/one json=true"),
        ("predict seed=1 m.json --gpus 2 +a.b=1 ~x", "dwdp-sim model=m.json dwdp.dwdp_size=2 seed=1 +a.b=1 '~x'"),
        ("advise m --isl 4096 --within 10s", "dwdp-advise model=m workload.isl=4096 advise.within=10s"),
        ("advise --strategy batched", "dwdp-advise strategy=batched"),
        ("advise --trtllm 'my extra.yaml'", """dwdp-advise "dwdp.trtllm_yaml='my extra.yaml'" """),
        ("sweep a,b --gpus 2,4 --out r", "dwdp-sim -m model=a,b dwdp.dwdp_size=2,4 results_dir=r"),
        ("sweep --strategy a.py:x,b.py:y seed=1", "dwdp-sim -m strategy=custom strategy.path=a.py:x,b.py:y seed=1"),
        ("sweep +experiment=slices", "dwdp-sim -m +experiment=slices"),
        ("sweep --slice 1MiB,whole results_dir=r", "dwdp-sim -m strategy.slice_bytes=1MiB,null results_dir=r"),
        ("validate", "dwdp-hw mode=validate"),
        ("validate a.json --on dgx_h100", "dwdp-hw mode=validate source=recorded rows=a.json cluster=dgx_h100"),
        ("validate a.json b.json x=1", "dwdp-hw mode=validate source=recorded rows=[a.json,b.json] x=1"),
        ("import run.sqlite --out o", "dwdp-hw mode=import trace=run.sqlite hydra.run.dir=o"),
    ],
)  # fmt: skip
def test_flags_in_any_place_are_the_overrides_that_they_stand_for(said: str, same: str) -> None:
    word, *words = shlex.split(said)
    found = [part for part in shlex.split(line(word, *words)) if not part.startswith("results_dir=results/sweep-")]
    assert found == shlex.split(same)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("predict a b", "model=a b: one model is wanted; everything else is a flag or key=value"),
        ("predict a,b", "model=a,b: one is wanted; dwdp sweep takes a list"),
        ("predict --gpus 2,4", "--gpus=2,4: one value is wanted; dwdp sweep takes lists"),
        ("predict --gpus many", "--gpus=many: a whole number from 1 on is wanted"),
        ("predict --on hgx_h20", "--on=hgx_h20: allowed: dgx_b200, .*; nearest: hgx_h200"),
        ("predict --strategy bached", "--strategy=bached: allowed: batched, .*my_strategy.py:name; nearest: batched"),
        ("predict --config-dir none --on x", "--config-dir=none: there is no such folder"),
        ("sweep --strategy default,a.py:x", "--strategy=default,a.py:x: a list has either names or"),
        ("import", "trace=missing: a file of a profiler, or a folder of records, is wanted"),
    ],
)
def test_a_mistake_is_one_line_with_what_is_allowed(said: str, message: str) -> None:
    word, *words = shlex.split(said)
    with pytest.raises(ConfigError, match=f"^{message}"):
        line(word, *words)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("predict --gpu 8", "there is no flag --gpu; nearest: --gpus"),
        ("sweep --within 10s", "there is no flag --within; allowed: --gpus, "),
        ("validate --zzz", "there is no flag --zzz; allowed: --on, --config-dir, --out"),
        ("predict --gpus", "argument --gpus: expected one argument"),
    ],
)
def test_a_flag_that_is_not_there_is_answered_with_the_nearest(
    said: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    word, *words = shlex.split(said)
    with pytest.raises(SystemExit) as stopped:
        line(word, *words)
    printed = capsys.readouterr().err
    assert stopped.value.code == 2
    assert printed.count("\n") == 1
    assert f": {message}" in printed
    assert printed.endswith(f"; dwdp {word} --help explains it\n")


def test_a_cluster_of_the_user_s_own_is_known(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "mine.yaml").write_text("defaults: [dgx_b200]\n")
    words = ("--config-dir", str(tmp_path), "--on", "mine")
    assert translate(BY_NAME["predict"], words).words == ("cluster=mine", "--config-dir", str(tmp_path))


def test_the_same_sweep_has_the_same_folder_and_says_what_it_sweeps() -> None:
    sweep = BY_NAME["sweep"]
    one, same, other = (translate(sweep, ["--gpus", gpus, "seed=range(3)"]) for gpus in ("2,4", "2,4", "2,8"))
    assert one == same
    assert one.results_dir.startswith("results/sweep-")
    assert one.results_dir != other.results_dir
    assert one.swept == ("dwdp.dwdp_size", "seed")
    assert translate(sweep, ["--out", "a b"]).results_dir == "a b"
    assert translate(sweep, ["--tokens", "8192", "fabric.measured=[sharing,x]"]).swept == ()


def test_every_key_of_a_flag_is_one_of_the_configuration() -> None:
    given = (
        "--gpus 2 --on dgx_b200 --strategy ring --slice 1MiB --engine trtllm_vmm --isl 1 --tokens 2 --link-rate 90% "
        "--trtllm a.yaml --format bf16"
    )
    found = translate(BY_NAME["predict"], given.split())
    config = config_object(*found.words)
    assert (config.dwdp.dwdp_size, config.cluster.name, config.strategy.name) == (2, "dgx_b200", "ring")
    assert (config.strategy.slice_bytes, config.strategy.implementation) == ("1MiB", "trtllm_vmm")
    assert (config.workload.kind, config.workload.isl, config.workload.max_num_tokens) == ("iteration", 1, 2)
    assert (config.cluster.link_rate, config.dwdp.trtllm_yaml, config.model.format) == (0.9, "a.yaml", "bf16")
    untried = {flag.key for flag in BY_NAME["advise"].flags} - explicit_keys(found.words) - {""}
    assert untried == {"hydra.run.dir", "json", "advise.within"}
    assert config.json is False


_WORDS = (
    "--gpus --on --strategy --slice --isl --link-rate --trtllm --out --json --config-dir 8 2,4 hgx_h200 97% 2MiB "
    "a.py:b seed=1 -- -m = ~x , model=' results_dir="
)
WORD = st.sampled_from(_WORDS.split())


@settings(max_examples=200)
@given(
    st.sampled_from(["predict", "sweep", "advise", "validate", "import"]),
    st.lists(WORD | st.text(max_size=6), max_size=6),
)
def test_any_words_are_translated_or_refused_in_a_line(word: str, words: list[str]) -> None:
    try:
        found = translate(BY_NAME[word], words)
    except (ConfigError, SystemExit) as refused:
        said = str(refused)
        assert "\n" not in said
    else:
        assert shlex.split(found.line) == [found.program, *found.words]
