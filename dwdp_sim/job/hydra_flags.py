"""Read Hydra's documented flags before Hydra does, so that a mistake among them is one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dwdp_sim.base.one_line_parser import OneLineParser


def read_command_line(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line, which Hydra will parse again; a mistake ends the process.

    Hydra's own parser is private. This one knows the flags that `--hydra-help` lists, but for `--experimental-rerun`,
    which runs a pickled configuration unchecked.

    Args:
        arguments: Without the program's name.
    """
    parser = OneLineParser(add_help=False, hint="--hydra-help lists the flags, --help the keys")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--package", "-p")
    parser.add_argument("--config-path", "-cp")
    parser.add_argument("--config-name", "-cn")
    parser.add_argument("--config-dir", "-cd")
    command = parser.add_mutually_exclusive_group()
    command.add_argument("--run", "-r", action="store_true")
    command.add_argument("--multirun", "-m", action="store_true")
    command.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    command.add_argument("--shell-completion", "-sc", action="store_true")
    information = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
    command.add_argument("--info", "-i", nargs="?", const="all", choices=information)
    line = parser.parse_args(arguments)
    if line.resolve and not (line.cfg or line.help):
        parser.error("--resolve goes with --cfg")
    if line.shell_completion and not line.overrides:
        parser.error("--shell-completion goes with install=SHELL, uninstall=SHELL or query=SHELL")
    return line
