"""What a composed configuration is filled in with."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from dwdp_sim.job.resolve import explicit_keys, resolve
from tests.dwdp_sim.composing import config_object

MIXTRAL = {
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_local_experts": 8,
    "num_experts_per_tok": 2, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    """Overrides that name a Hugging Face file and a TensorRT-LLM file."""
    (tmp_path / "config.json").write_text(json.dumps(MIXTRAL))
    (tmp_path / "extra.yaml").write_text("dwdp_config: {dwdp_size: 2, contention_opt: true}")
    return (
        "model=hf", f"model.config_json={tmp_path / 'config.json'}", "model.format=bf16",
        f"dwdp.trtllm_yaml={tmp_path / 'extra.yaml'}",
    )  # fmt: skip


def test_sizes_come_from_files_and_the_rest_follows(files: tuple[str, ...]) -> None:
    found = resolve(config_object(*files), explicit_keys(files))
    assert (found.model.name, found.model.num_experts, found.model.attention.num_kv_heads) == ("mixtral", 8, 8)
    assert (found.dwdp.dwdp_size, found.dwdp.num_experts_per_worker, found.dwdp.num_prefetch_experts) == (2, 4, 4)
    assert (found.strategy.name, found.strategy.slice_bytes) == ("batched", 2 * 2**20)


def test_the_argument_stays_as_it_is_and_a_resolved_configuration_comes_back_equal(files: tuple[str, ...]) -> None:
    config = config_object(*files)
    before = copy.deepcopy(config)
    found = resolve(config, explicit_keys(files))
    assert config == before
    assert found != before
    assert resolve(found, explicit_keys(files)) == found


def test_an_explicit_value_beats_a_file(files: tuple[str, ...]) -> None:
    given = [*files, "model.hidden_size=2048", "model.attention.num_heads=16", "dwdp.dwdp_size=4", "strategy=default"]
    found = resolve(config_object(*given), explicit_keys(given))
    assert (found.model.hidden_size, found.model.attention.num_heads, found.model.top_k) == (2048, 16, 2)
    assert (found.dwdp.dwdp_size, found.strategy.name) == (4, "default")


@pytest.mark.parametrize(
    ("more", "provenance"),
    [
        ((), "measured"),
        (("cluster.constants.peer_fixed_s.value=1e-3",), "assumed"),
        (("cluster.constants.peer_fixed_s.value=1e-3", "cluster.constants.peer_fixed_s.provenance=public"), "public"),
    ],
)
@pytest.mark.parametrize("workload", ["layer", "replay"])
def test_a_constant_set_by_hand_is_assumed_unless_its_provenance_is_given(
    workload: str, more: tuple[str, ...], provenance: str
) -> None:
    given = ("cluster=h200_x2", "dwdp.dwdp_size=2", f"workload={workload}", *more)
    found = resolve(config_object(*given), explicit_keys(given)).cluster.constants
    assert found["peer_fixed_s"].provenance == provenance
    assert found["peer_gap_s"].provenance == "measured"


def test_a_replay_has_no_layer_to_fill_in() -> None:
    config = config_object("workload=replay")
    assert resolve(config) == config
