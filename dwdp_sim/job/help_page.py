"""Print the help of a command without Hydra, which needs longer than the rest of the start to list groups."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template

from dwdp_sim.base.errors import ConfigError, stop
from dwdp_sim.base.user_file import read_yaml
from dwdp_sim.job.config_files import config_folders, config_groups, group_options
from dwdp_sim.job.hydra_flags import read_command_line

_GROUPS = "APP_CONFIG_GROUPS"


def print_help_if_asked(config_name: str) -> bool:
    """Print the help if the command line asks for it; an error in it ends the process.

    The text is `hydra.help.template` of the primary config, with the names of groups and their files for
    `$APP_CONFIG_GROUPS`. A config without such a text, or with more to fill in, is left to Hydra.

    Args:
        config_name: Primary config in `conf/`, unless `--config-name` names another.

    Returns:
        Whether it has been printed.
    """
    line = read_command_line(sys.argv[1:])
    if not line.help:
        return False
    try:
        folders = config_folders(line)
        template = _template(line.config_name or config_name, folders)
    except ConfigError as error:
        stop(error)
    if template is None or not template.is_valid() or set(template.get_identifiers()) - {_GROUPS}:
        return False
    groups = (f"{group}: {', '.join(group_options(group, folders))}\n" for group in config_groups(folders))
    print(template.substitute({_GROUPS: "".join(groups)}))
    return True


def _template(config_name: str, folders: Sequence[str]) -> Template | None:
    """The help text of the first such config; None if it brings none of its own."""
    files = [file for folder in folders if (file := Path(folder) / f"{config_name}.yaml").is_file()]
    if not files:
        return None
    found = read_yaml(str(files[0]), "--config-name")
    for key in ("hydra", "help", "template"):
        found = found.get(key) if isinstance(found, dict) else None
    return Template(found) if isinstance(found, str) else None
