"""Where configuration files are: the project's own, and a user's folder beside it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import check_yaml_size


def config_dir() -> Path:
    """The folder of YAML files: the source tree's `conf/`, or the copy inside an installed package."""
    package = Path(__file__).resolve().parents[1]
    source = package.parent / "conf"
    return source if (package.parent / "pyproject.toml").is_file() and source.is_dir() else package / "conf"


def config_folders(line: argparse.Namespace) -> list[str]:
    """Where configuration files are: the main folder, then the user's own.

    Args:
        line: The flags, as `hydra_flags.read_command_line` returns them.

    Raises:
        ConfigError: There is no such folder, or a file in the user's own is none that Hydra should read.
    """
    if line.config_dir is not None and not os.path.isdir(line.config_dir):
        raise ConfigError("--config-dir", line.config_dir, "there is no such folder")
    main = line.config_path or str(config_dir())
    if not os.path.isabs(main) or not os.path.isdir(main):
        raise ConfigError("--config-path", main, "an absolute path of a folder is wanted")
    if not line.config_dir:
        return [main]
    for group in ("", *config_groups([main])):  # Hydra would wait for a pipe, and write out what aliases name
        for file in sorted(Path(line.config_dir, group).glob("*.yaml")):
            check_yaml_size(str(file), "--config-dir")
    return [main, line.config_dir]


def group_options(group: str, folders: Sequence[str]) -> list[str]:
    """Return the names of a group's files."""
    return sorted({file.stem for folder in folders for file in (Path(folder) / group).glob("*.yaml")})


def config_groups(folders: Sequence[str]) -> list[str]:
    """Return the names of all groups that have files, but for Hydra's own."""
    paths = [file.relative_to(folder).parent for folder in folders for file in Path(folder).rglob("*.yaml")]
    return sorted({path.as_posix() for path in paths if path.parts and path.parts[0] != "hydra"})
