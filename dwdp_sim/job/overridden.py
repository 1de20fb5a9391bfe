"""Find what a user has decided otherwise than the file that is read says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dwdp_sim.base.errors import shorten
from dwdp_sim.job.schema import SimConfig
from dwdp_sim.job.trtllm_file import read_dwdp_block
from dwdp_sim.model.huggingface import read_shape
from dwdp_sim.plan.kinds import BATCHED, DEFAULT


@dataclass(frozen=True)
class Overridden:
    """A value that a file gives and that is another one here.

    Attributes:
        key: In the configuration, with dots.
        value: The one that counts.
        file_value: The one in the file.
        file: Its path.
    """

    key: str
    value: object
    file_value: object
    file: str


def overridden(resolved: SimConfig) -> tuple[Overridden, ...]:
    """Compare a resolved configuration with the Hugging Face and TensorRT-LLM files that it names.

    Raises:
        ConfigError: A file cannot be read.
    """
    if resolved.workload.kind == "replay":
        return ()
    return tuple(
        Overridden(key, value, said, path)
        for key, said, path in _said_by_files(resolved)
        if (value := _value(resolved, key)) != said
    )


def overridden_content(found: Sequence[Overridden]) -> dict[str, list[dict[str, Any]]]:
    """Return what a result's JSON says of them; nothing if there are none."""
    return {"overridden": [asdict(one) for one in found]} if found else {}


def overridden_lines(found: Sequence[Overridden]) -> list[str]:
    """Return a line for each file, for people: which of its values were overridden."""
    files = dict.fromkeys(one.file for one in found)
    said = {
        file: ", ".join(f"{one.key}={one.value} (file: {one.file_value})" for one in found if one.file == file)
        for file in files
    }
    return [f"otherwise than in {shorten(file)}: {values}" for file, values in said.items()]


def _said_by_files(resolved: SimConfig) -> Iterator[tuple[str, object, str]]:
    """Key, value and path of everything that counts and that a file says."""
    path = resolved.model.config_json
    if path is not None:
        yield from ((f"model.{name}", said, path) for name, said in read_shape(path).items() if name != "name")
    path = resolved.dwdp.trtllm_yaml
    if path is not None:
        block = read_dwdp_block(path)
        yield from ((f"dwdp.{name}", said, path) for name, said in block.sizes.items())
        if block.contention_opt is not None:
            yield "strategy.name", BATCHED.name if block.contention_opt else DEFAULT.name, path


def _value(resolved: SimConfig, key: str) -> object:
    found: Any = resolved
    for name in key.split("."):
        found = getattr(found, name)
    return found
