from __future__ import annotations

from pathlib import Path

import pytest

from dwdp_sim.base.errors import ConfigError
from tests.dwdp_sim.composing import job

BLOCK = """
dwdp_config:
  dwdp_size: 3
  num_groups: 1
  num_experts_per_worker: 86
  num_prefetch_experts: 85
  contention_opt: {opt}
"""


def write(folder: Path, text: str) -> str:
    path = folder / "extra.yaml"
    path.write_text(text)
    return f"dwdp.trtllm_yaml={path}"


@pytest.mark.parametrize(("opt", "strategy"), [("true", "batched"), ("false", "default")])
def test_the_block_gives_sizes_and_strategy(opt: str, strategy: str, tmp_path: Path) -> None:
    layer = job(write(tmp_path, BLOCK.format(opt=opt))).layer
    placement = layer.placement
    assert (placement.dwdp_size, placement.num_experts_per_worker, placement.num_prefetch_experts) == (3, 86, 85)
    assert layer.strategy.name == strategy


def test_contention_opt_slices_at_two_mebibytes_whatever_the_default_strategy(tmp_path: Path) -> None:
    text = BLOCK.format(opt="true")
    layer = job(write(tmp_path, text)).layer
    assert layer.strategy.slice_bytes == 2 * 2**20
    assert layer.plan.copies_per_rank() == [2016] * 3


def test_the_block_is_found_one_section_down_and_zero_means_unset(tmp_path: Path) -> None:
    text = "ctx:\n  dwdp_config:\n    dwdp_size: 5\n    num_experts_per_worker: 0\n    num_prefetch_experts: 0\n"
    layer = job(write(tmp_path, text)).layer
    assert (layer.placement.num_experts_per_worker, layer.placement.num_prefetch_experts) == (52, 51)


def test_without_contention_opt_an_explicit_strategy_stands_and_the_default_is_the_engine_s(tmp_path: Path) -> None:
    given = write(tmp_path, "dwdp_config:\n  dwdp_size: 4\n")
    unset, ring = job(given).layer, job(given, "strategy=ring").layer
    assert unset is not None
    assert ring is not None
    assert (unset.strategy.name, ring.strategy.name) == ("default", "ring")


def test_an_override_beats_the_file_whose_experts_of_a_rank_are_those_of_its_own_group(tmp_path: Path) -> None:
    given = write(tmp_path, BLOCK.format(opt="true"))
    larger = job(given, "dwdp.dwdp_size=4").layer
    assert (larger.placement.num_experts_per_worker, larger.placement.num_prefetch_experts) == (64, 64)
    assert job(given, "strategy=default").layer.strategy.name == "default"
    held = job(given, "dwdp.num_experts_per_worker=88", "dwdp.num_prefetch_experts=84").layer.placement
    assert (held.dwdp_size, held.num_experts_per_worker) == (3, 88)
    with pytest.raises(ConfigError, match="but 86 \\+ 2·84 = 254"):
        job(given, "dwdp.num_prefetch_experts=84")


def test_an_override_that_agrees_with_the_file_is_fine(tmp_path: Path) -> None:
    assert job(write(tmp_path, BLOCK.format(opt="true")), "dwdp.dwdp_size=3", "strategy=batched").layer


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\n", "has no 'dwdp_config:' block"),
        ("- 1\n", "has no 'dwdp_config:' block"),
        ("a: [\n", "cannot be read as YAML"),
        ("dwdp_config:\n  dwdp_size: four\n", r"dwdp_config\.dwdp_size is four; expected `int . null`"),
        ("dwdp_config:\n  dwdp_size: -4\n", r"dwdp_config\.dwdp_size is -4"),
        ("dwdp_config:\n  contention_opt: 1\n", r"dwdp_config\.contention_opt is 1"),
        (
            "dwdp_config:\n  dwdp_size: 4\n  prefetch: 3\n",
            "dwdp_config has the unknown field 'prefetch'; known: dwdp_size",
        ),
    ],
)
def test_a_file_that_says_nothing_usable_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason):
        job(write(tmp_path, text))
