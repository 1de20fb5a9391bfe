"""The jobs of a sweep, each with the name under which its rows are kept."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

from omegaconf import OmegaConf

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.fingerprint import hash_config
from dwdp_sim.job.resolve import explicit_keys
from dwdp_sim.job.schema import SimConfig
from dwdp_sim.sweep.columns import SCHEMA_VERSION
from dwdp_sim.sweep.compose_many import Composer

_CONTRADICTABLE = ("model", "dwdp", "strategy")


@dataclass(frozen=True)
class Asked:
    """A job with the overrides and the configuration that were asked for.

    Attributes:
        job: Name of its files.
        asked_hash: What it asks for, under whatever code.
        overrides: What sets it apart on the command line.
        config: Composed, nothing filled in. Jobs share what is equal in it.
    """

    job: str
    asked_hash: str
    overrides: tuple[str, ...]
    config: SimConfig


def asked_jobs(composer: Composer, override_lists: Sequence[Sequence[str]]) -> list[Asked]:
    """Compose and name every job; combinations that ask for the same job count once."""
    shared: dict[str, object] = {}
    jobs: dict[str, Asked] = {}
    for overrides in override_lists:
        config = cast(SimConfig, OmegaConf.to_object(composer.compose(overrides)))
        for field in fields(config):
            part = getattr(config, field.name)
            setattr(config, field.name, shared.setdefault(repr(part), part))
        asked = asked_hash(config, overrides)
        job = job_name(asked)
        jobs.setdefault(job, Asked(job, asked, tuple(overrides), config))
    return list(jobs.values())


def asked_hash(config: SimConfig, overrides: Sequence[str]) -> str:
    """Return the SHA-256, shortened to 128 bits, of what a job asks for.

    Which values were given explicitly counts only where a file is read that they could contradict.
    """
    try:
        content = hash_config(config)
    except (ConfigError, OSError, TypeError) as error:  # the job will fail and say so
        content = json.dumps([asdict(config), str(error)], default=str)
    reads_file = config.dwdp.trtllm_yaml is not None or config.model.config_json is not None
    explicit = (
        sorted(key for key in explicit_keys(overrides) if key.split(".")[0] in _CONTRADICTABLE) if reads_file else []
    )
    return _short_hash(content, explicit)


def job_name(asked: str) -> str:
    """Return the name of a job: a hash of what it asks for, this code and the schema of rows."""
    return _short_hash(SCHEMA_VERSION, code_version(), asked)


def _short_hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@functools.cache
def code_version() -> str:
    """Return the package's version and a digest of its source, since rows of other code are other results."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    try:
        number = version("dwdp-toolkit")
    except PackageNotFoundError:
        number = "0"
    return f"{number}+{digest.hexdigest()[:12]}"
