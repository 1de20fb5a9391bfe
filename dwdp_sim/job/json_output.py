"""Refuse what `json=true` cannot print."""

from __future__ import annotations

from omegaconf import DictConfig

from dwdp_sim.base.errors import ConfigError


def refuse_sweep_as_json(config: DictConfig, _config_name: str) -> None:
    """Refuse to print the many results of a sweep as one document.

    Raises:
        ConfigError: `json=true` was given with `-m`.
    """
    if config.json:
        raise ConfigError(
            "json",
            "true",
            "-m has many results: leave it out, give results_dir=… and read the rows by dwdp-report query",
        )
