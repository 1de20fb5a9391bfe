"""Read the `dwdp_config:` block of a TensorRT-LLM YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import read_yaml

_KEY = "dwdp.trtllm_yaml"


@dataclass(frozen=True)
class DwdpBlock:
    """The keys of a `dwdp_config:` block; None if one is unset (TensorRT-LLM writes 0 for that).

    Attributes:
        dwdp_size: Ranks in the group.
        num_experts_per_worker: Experts a rank holds.
        num_prefetch_experts: Experts pulled from each peer.
        contention_opt: Whether the batched strategy is used.
    """

    dwdp_size: int | None
    num_experts_per_worker: int | None
    num_prefetch_experts: int | None
    contention_opt: bool | None


def read_dwdp_block(path: str) -> DwdpBlock:
    """Read the block, at the top level or one section down (`ctx:` in disaggregated set-ups).

    Raises:
        ConfigError: The file cannot be read, has no such block, or the block's values have the wrong type.
    """
    block = _find(read_yaml(path, _KEY))
    if block is None:
        raise ConfigError(_KEY, path, "has no 'dwdp_config:' block, at the top level or one section down")
    return DwdpBlock(
        dwdp_size=_count(block, "dwdp_size", path),
        num_experts_per_worker=_count(block, "num_experts_per_worker", path),
        num_prefetch_experts=_count(block, "num_prefetch_experts", path),
        contention_opt=_flag(block, "contention_opt", path),
    )


def _find(content: Any) -> Mapping[str, Any] | None:
    if not isinstance(content, Mapping):
        return None
    for section in (content, *content.values()):
        if isinstance(section, Mapping) and isinstance(section.get("dwdp_config"), Mapping):
            found: Mapping[str, Any] = section["dwdp_config"]
            return found
    return None


def _count(block: Mapping[str, Any], name: str, path: str) -> int | None:
    value = block.get(name)
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigError(_KEY, path, f"dwdp_config.{name} is {value!r}; a whole number ≥ 0 is wanted")
    return value


def _flag(block: Mapping[str, Any], name: str, path: str) -> bool | None:
    value = block.get(name)
    if value is not None and not isinstance(value, bool):
        raise ConfigError(_KEY, path, f"dwdp_config.{name} is {value!r}; true or false is wanted")
    return value
