"""The jobs of a sweep: composed as Hydra composes, named by what they ask for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hydra.errors import HydraException
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.multirun import combinations
from dwdp_sim.sweep import jobs as jobs_module
from dwdp_sim.sweep.compose_many import Composer
from dwdp_sim.sweep.jobs import asked_hash, asked_jobs, job_name
from tests.dwdp_sim.composing import by_hydra, config_object


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(by_hydra, [config_dir()])


def expand(params: dict[str, str], *overrides: str) -> list[list[str]]:
    of_experiment = [f"{key}={value}" for key, value in params.items()]
    return combinations([*of_experiment, *overrides], [str(config_dir())])


CHOICES = {
    "model": ["kimi_k2_nvfp4", "hf"],
    "strategy": ["default", "batched", "waves"],
    "cluster": ["h200_x2", "gb200_nvl72"],
    "strategy.slice_bytes": ["1MiB", "4096", "null", "'2 MiB'"],
    "workload.offsets_s": ["[0.0,1e-3]", "[]"],
    "cluster.constants.issue_slice_s.value": ["5e-7", "3.3e-6"],
    "cluster.constants.egress_bytes_per_s.value": ["{ipc: 1.0, vmm_fd: 2.0}", "3e11"],
    "fabric.both_ways": ["true", "false"],
    "model.name": ["${cluster.name}", "plain", '"with, comma"'],
    "++strategy.wave_copies": ["3"],
    "cluster.constants.refill.value": ["any"],
    "~cluster.constants.refill": [""],
    "seed": ["0", "17"],
}


@st.composite
def override_lists(draw: st.DrawFn) -> list[str]:
    keys = draw(st.permutations(sorted(CHOICES)))[: draw(st.integers(0, 6))]
    values = [(key, draw(st.sampled_from(CHOICES[key]))) for key in keys]
    return [f"{key}={value}" if value else key for key, value in values]


@settings(max_examples=20)
@given(overrides=override_lists())
def test_composing_many_gives_what_hydra_gives(composer: Composer, overrides: list[str]) -> None:
    assert OmegaConf.to_container(composer.compose(overrides)) == OmegaConf.to_container(by_hydra(overrides))


@pytest.mark.parametrize("wrong", ["seed=much", "sed=1", "strategy.slice=1", "model.top_k=[1]"])
def test_a_wrong_value_is_hydra_s_error(composer: Composer, wrong: str) -> None:
    with pytest.raises(HydraException) as ours:
        composer.compose(["strategy=ring", wrong])
    with pytest.raises(HydraException) as theirs:
        by_hydra(["strategy=ring", wrong])
    assert str(ours.value) == str(theirs.value)


def test_every_combination_is_a_job_and_the_command_line_beats_the_experiment() -> None:
    # Keys keep the place where they were named first: seed, strategy, dwdp_size.
    assert expand({"seed": "range(2)", "strategy": "ring,default"}, "seed=5,6,7", "dwdp.dwdp_size=4") == [
        ["seed=5", "strategy=ring", "dwdp.dwdp_size=4"],
        ["seed=5", "strategy=default", "dwdp.dwdp_size=4"],
        ["seed=6", "strategy=ring", "dwdp.dwdp_size=4"],
        ["seed=6", "strategy=default", "dwdp.dwdp_size=4"],
        ["seed=7", "strategy=ring", "dwdp.dwdp_size=4"],
        ["seed=7", "strategy=default", "dwdp.dwdp_size=4"],
    ]
    assert expand({}, "strategy=glob(batched*)") == [["strategy=batched"], ["strategy=batched_per_round"]]
    with pytest.raises(ConfigError, match=r"seed=interval\(0,1\): a list of values, range"):
        expand({}, "seed=interval(0,1)")


def test_jobs_that_ask_for_the_same_count_once(composer: Composer) -> None:
    lists = expand({}, "strategy.slice_bytes=2MiB,4MiB", "sweep.workers=1,2")
    assert [one.config.strategy.slice_bytes for one in asked_jobs(composer, lists)] == ["2MiB", "4MiB"]


def test_a_job_s_name_follows_what_it_asks_for_the_files_and_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name(*overrides: str) -> str:
        return job_name(asked_hash(config_object(*overrides), overrides))

    assert name("seed=1") == name("seed=1", "results_dir=elsewhere", "sweep.quiet=true", "workers=2")
    assert name("seed=1") != name("seed=2")
    assert name("strategy=batched") == name()  # given or default, it is the same configuration
    program = tmp_path / "program.json"
    program.write_text(json.dumps({"streams": []}))
    replay = ("workload=replay", f"workload.file={program}")
    before = name(*replay)
    program.write_text(json.dumps({"streams": [{}]}))
    assert name(*replay) != before
    program.unlink()
    assert name(*replay) != before  # a job that cannot be built has a name, too
    keys_without_order = "cluster.constants.peer_fixed_s.value={1:2,a:3}"
    assert name(keys_without_order) != name()  # nor can this one
    now = name()
    monkeypatch.setattr(jobs_module, "code_version", lambda: "other code")
    assert name() != now


def test_an_explicit_value_counts_where_a_file_could_contradict_it(tmp_path: Path) -> None:
    (tmp_path / "extra.yaml").write_text("dwdp_config: {dwdp_size: 4}")
    file = f"dwdp.trtllm_yaml={tmp_path / 'extra.yaml'}"
    assert asked_hash(config_object(file), [file]) != asked_hash(config_object(file), [file, "dwdp.dwdp_size=4"])
    assert asked_hash(config_object(), []) == asked_hash(config_object(), ["dwdp.dwdp_size=4"])
