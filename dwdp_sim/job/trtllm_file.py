"""Read the `dwdp_config:` block of a TensorRT-LLM YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.typed_file import convert
from dwdp_sim.base.user_file import read_yaml

_KEY = "dwdp.trtllm_yaml"
_Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class DwdpBlock(Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of a `dwdp_config:` block; None or 0 if one is unset.

    Attributes:
        dwdp_size: Ranks in the group.
        num_experts_per_worker: Experts a rank holds.
        num_prefetch_experts: Experts pulled from each peer.
        contention_opt: Whether the batched strategy is used.
        num_groups: Groups side by side; they share nothing, so one stands for all.
    """

    dwdp_size: _Count | None = None
    num_experts_per_worker: _Count | None = None
    num_prefetch_experts: _Count | None = None
    contention_opt: bool | None = None
    num_groups: _Count | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the group that the block gives; TensorRT-LLM writes 0 for what is unset."""
        names = ("dwdp_size", "num_experts_per_worker", "num_prefetch_experts")
        return {name: said for name in names if (said := getattr(self, name))}


def read_dwdp_block(path: str) -> DwdpBlock:
    """Read the block, at the top level or one section down (`ctx:` in disaggregated set-ups).

    Raises:
        ConfigError: The file cannot be read, has no such block, or the block has an unknown key or a value of the wrong
            type.
    """
    block = _find(read_yaml(path, _KEY))
    if block is None:
        raise ConfigError(_KEY, path, "has no 'dwdp_config:' block, at the top level or one section down")
    return convert(block, DwdpBlock, path, _KEY, at="dwdp_config")


def _find(content: Any) -> Mapping[str, Any] | None:
    if not isinstance(content, Mapping):
        return None
    for section in (content, *content.values()):
        if isinstance(section, Mapping) and isinstance(section.get("dwdp_config"), Mapping):
            found: Mapping[str, Any] = section["dwdp_config"]
            return found
    return None
