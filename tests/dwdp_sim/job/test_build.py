"""What a composed configuration becomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.fabric.fabric_constants import constants_for
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.groups import CUSTOM
from tests.dwdp_sim.composing import checked, job

CLUSTERS = sorted(path.stem for path in (config_dir() / "cluster").glob("*.yaml"))
MODELS = sorted(path.stem for path in (config_dir() / "model").glob("*.yaml") if path.stem != "hf")
STRATEGIES = sorted({path.stem for path in (config_dir() / "strategy").glob("*.yaml")} - {CUSTOM})


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("issue_mode", ["queued", "as_issued"])
def test_every_shipped_cluster_has_every_constant_a_layer_can_need(cluster: str, issue_mode: str) -> None:
    size = {"h200_x2": 2, "gh200_x4": 4}.get(cluster, 8)
    overrides = (f"cluster={cluster}", f"issue_mode={issue_mode}", f"dwdp.dwdp_size={size}")
    for strategy in ("default", "batched"):
        built = job(*overrides, f"strategy={strategy}", "model=deepseek_v3_lite_nvfp4")
        assert built.constants.rates
        assert set(built.constants.assumed) <= set(built.constants.used)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_constant_says_where_it_comes_from(cluster: str) -> None:
    for name, constant in job(f"cluster={cluster}", "dwdp.dwdp_size=2").cluster.constants.items():
        assert constant.unit, name
        assert len(constant.source) > 10, name
        assert constant.value is not None, name


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_shipped_model_runs_under_every_strategy(model: str, strategy: str) -> None:
    layer = job(f"model={model}", f"strategy={strategy}", "strategy.implementation=trtllm_vmm").layer
    remote = layer.placement.num_experts - layer.placement.num_experts_per_worker
    pulled = sum(p.bytes for p in layer.plan.parameters) * remote
    assert layer.plan.bytes_per_rank() == [pulled] * 4


def test_rates_may_differ_by_mapping() -> None:
    value = "cluster.constants.pair_bytes_per_s.value={ipc: 1e9, vmm_fabric: 2e9}"
    for mapping, rate in (("ipc", 1e9), ("vmm_fabric", 2e9)):
        assert job(f"cluster.mapping={mapping}", value).constants.rates["pair"] == rate


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (("cluster.constants.in_flight_bytes.value=1MiB",), "in_flight_bytes"),
        (("cluster.constants.refill.value=bytes", "cluster.constants.in_flight_sources.value=3"), "in_flight_sources"),
        (("cluster.constants.refill.value=bytes", "cluster.constants.batch_engines.value=2"), "batch_engines"),
        (("cluster.constants.refill.value=bytes", "cluster.constants.in_flight_bytes.value=0"), "in_flight_bytes"),
        (("cluster.constants.refill.value=bytes", "cluster.constants.in_flight_bytes.value=-1MiB"), "in_flight_bytes"),
        (("cluster.constants.batch_engines.value=3",), "batch_engines"),
        (("fabric.measured=[batch_order]",), "fabric.measured"),
    ],
)
def test_rules_that_contradict_each_other_are_refused_by_name(overrides: tuple[str, ...], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        job(*overrides)


def test_only_what_a_run_needs_is_asked_for() -> None:
    two = job("cluster=h200_x2", "dwdp.dwdp_size=2")
    assert "in_flight_sources" not in two.constants.used
    assert "incast_factor_2" not in two.constants.used
    assert two.constants.assumed == ()
    four = job("strategy=default")
    assert {"incast_factor_2", "incast_factor_3"} <= set(four.constants.used)
    assert "incast_factor_4_up" not in four.constants.used
    assert "egress_bytes_per_s" in set(four.constants.used) - set(four.constants.assumed)  # public
    assert "issue_async_s" in job("strategy=default", "issue_mode=as_issued").constants.used


def test_equal_configurations_have_equal_hashes_and_different_ones_different() -> None:
    base = checked().config_hash
    assert checked("dwdp.dwdp_size=4", "strategy.slice_bytes=2097152", "seed=0").config_hash == base
    assert checked("dwdp.num_experts_per_worker=64").config_hash == base
    others = [
        checked(override).config_hash
        for override in ("seed=1", "strategy.slice_bytes=1MiB", "cluster.constants.in_flight_sources.value=1")
    ]
    assert len({base, *others}) == 4


def test_a_hash_covers_what_a_file_says_and_not_where_it_is(tmp_path: Path) -> None:
    texts = {"a": "dwdp_size: 4", "b": "dwdp_size: 4", "c": "{dwdp_size: 4}"}
    hashes = {}
    for name, text in texts.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"dwdp_config:\n  {text}\n")
        hashes[name] = checked(f"dwdp.trtllm_yaml={path}").config_hash
    assert hashes["a"] == hashes["b"] != hashes["c"]


def test_hydra_s_own_settings_do_not_change_the_hash() -> None:
    assert checked("hydra.run.dir=/tmp/somewhere").config_hash == checked().config_hash


def test_the_engine_is_no_part_of_a_configuration_s_hash_and_an_unknown_one_is_refused() -> None:
    for workload in ("layer", "iteration"):
        runs = [checked(f"workload={workload}", f"engine={name}") for name in ("simpy", "compiled")]
        assert runs[0].config_hash == runs[1].config_hash == checked(f"workload={workload}").config_hash
    assert job("engine=compiled").engine == "compiled"
    with pytest.raises(ConfigError, match="engine=fast"):
        job("engine=fast")


def test_ranks_start_where_they_are_told() -> None:
    offsets = job("workload.start=offsets", "workload.offsets_s=[0,1e-3,2e-3,0]")
    assert offsets.starts_s == ((0, 1e-3, 2e-3, 0),)
    assert offsets.drawn(0).stream_start_s.tolist() == [0, 1e-3, 2e-3, 0]
    assert job("workload.start=lockstep").starts_s == ((0.0,) * 4,)


def test_starts_are_drawn_within_what_was_measured_and_draw_by_draw() -> None:
    drawn = np.array(job().starts_s)
    assert drawn.shape == (8, 4)
    assert 0 <= drawn.min() < drawn.max() <= 1.6e-6
    assert len(np.unique(drawn)) == drawn.size
    assert job().starts_s == job("strategy=default").starts_s  # so that strategies are compared on the same starts
    assert job("seed=1").starts_s[:7] == job().starts_s[1:]
    wider = np.array(job("workload.max_phase_s=1e-3", "workload.draws=3").starts_s)
    assert wider.shape == (3, 4)
    assert 1.6e-6 < wider.max() <= 1e-3


def test_experts_in_host_memory_run_as_many_ranks_as_there_are_gpus() -> None:
    host = job("cluster=h100_x1_host", "model=deepseek_v3_lite_nvfp4")
    assert len(host.program.stream_gpu) == 1
    assert len(host.program.copy_bytes) == host.layer.plan.copies_per_rank()[0]
    assert set(host.constants.rates) == {"host_in"}


def test_a_removed_constant_is_missed_only_by_runs_that_need_it() -> None:
    gone = "~cluster.constants.incast_factor_3"
    assert job(gone, "dwdp.dwdp_size=2")
    with pytest.raises(ConfigError, match=r"^cluster\.constants\.incast_factor_3=missing"):
        job(gone)


@settings(max_examples=12)
@given(st.sampled_from(CLUSTERS), st.sampled_from(["fair", "fifo"]), st.sampled_from(["always", "demand", "off"]))
def test_constants_do_not_depend_on_anything_but_their_inputs(cluster: str, sharing: str, incast: str) -> None:
    built = job(f"cluster={cluster}", "dwdp.dwdp_size=2", f"fabric.sharing={sharing}", f"fabric.incast={incast}")
    assert constants_for(built.cluster, built.program, built.options) == built.constants
