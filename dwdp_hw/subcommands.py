"""What `dwdp-hw` does without a configuration of its own: node, health, bundle, check and pool."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from dwdp_sim.base.errors import FAILED, ConfigError
from dwdp_sim.base.one_line_parser import OneLineParser

# What answers is imported when it is asked: a mistake in the words should not wait for SciPy.
# ruff: noqa: PLC0415

WORDS = ("node", "health", "bundle", "check", "pool")
"""First words of a command line that is not Hydra's, where every word has an `=` or begins with a sign."""


def run(words: Sequence[str], program: str = "dwdp-hw") -> None:
    """Do what the words of a command line say.

    Args:
        words: The first is one of `WORDS`.
        program: What messages call the command.

    Raises:
        ConfigError: A file cannot be used.
    """
    arguments = parser(program).parse_args(words)
    work: dict[str, Callable[[argparse.Namespace], bool]] = {
        "node": _node,
        "health": _health,
        "bundle": _bundle,
        "check": _check,
        "pool": _pool,
    }
    if not work[arguments.command](arguments):
        sys.exit(FAILED)


def _node(arguments: argparse.Namespace) -> bool:
    """Whether the node is good; where noise does not let it be told, the process ends with a code of its own.

    Raises:
        NoGpuError: There is no GPU.
        ConfigError: A part is unknown, or the kind of GPU.
    """
    from dwdp_hw.node.examine import examine
    from dwdp_hw.node.machine import find_machine
    from dwdp_hw.node.outcome import exit_code, verdict_of
    from dwdp_hw.node.parts import NAMES, parts_of
    from dwdp_sim.api.presets import presets
    from dwdp_sim.base.errors import check_choice
    from dwdp_sim.base.terminal import TextConsole
    from dwdp_sim.model.hub import known_model

    only = arguments.only.split(",") if arguments.only else NAMES
    for name in only:
        check_choice("--only", name, NAMES)
    models = [known.preset if (known := known_model(model)) else model for model in arguments.model or ()]
    for model in models:
        check_choice("--model", model, presets("model"))
    if arguments.isl is not None and arguments.isl < 1:
        raise ConfigError("--isl", arguments.isl, "at least 1 token is wanted")
    machine, folder = find_machine(arguments.cluster), Path(arguments.out).absolute()
    parts = parts_of(machine, models or [machine.model], arguments.isl)
    title = f"{machine.gpus} × {machine.kind}"
    code = exit_code(verdict_of(examine(parts, only, folder, title, TextConsole())))
    if code > FAILED:
        sys.exit(code)
    return code == 0


def _health(arguments: argparse.Namespace) -> bool:
    """Whether nothing about this machine, nor in the rows, is wrong.

    Raises:
        NoGpuError: There are neither rows nor GPUs that could be asked.
    """
    from dwdp_hw.group.faults import NoGpuError
    from dwdp_hw.health.judge import LOW, judge_rows
    from dwdp_hw.health.nvml_facts import NOTE, WARNING, look
    from dwdp_hw.health.show import print_findings, print_judgements, summary
    from dwdp_hw.rows.recording import read_recording
    from dwdp_sim.base.terminal import TextConsole, say

    paths = [found for path in arguments.rows for found in _row_files(path)]
    judged = [one for path in paths for one in judge_rows(read_recording(path))]
    findings = look()
    if not arguments.rows and all(one.level == NOTE for one in findings):
        raise NoGpuError("; ".join(one.text for one in findings))
    console = TextConsole()
    print_findings(console, findings)
    if arguments.rows:
        print_judgements(console, judged)
    say(console, summary(findings, judged))
    return not any(one.verdict == LOW for one in judged) and not any(one.level == WARNING for one in findings)


def _row_files(path: str) -> list[str]:
    """The files of measured rows in a folder; of a file, itself."""
    from dwdp_hw.bundle.make import rows_in

    return rows_in(Path(path)) if Path(path).is_dir() else [path]


def _bundle(arguments: argparse.Namespace) -> bool:
    """Write a bundle; it always succeeds or raises."""
    from dwdp_hw.bundle.make import find_sources, make_bundle
    from dwdp_sim.base.atomic_file import write_whole
    from dwdp_sim.base.terminal import TextConsole, say

    data = make_bundle(find_sources(arguments.paths))
    path = write_whole(Path(arguments.out), lambda temporary: temporary.write_bytes(data))
    say(TextConsole(), f"{path}: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")
    return True


def _check(arguments: argparse.Namespace) -> bool:
    """Whether everything that a bundle claims holds."""
    from dwdp_hw.bundle.check import FAILS, check_bundle
    from dwdp_hw.bundle.opened import open_bundle
    from dwdp_hw.bundle.show import print_claims, write_report
    from dwdp_sim.base.terminal import TextConsole, progress_line, say

    bundle, console, counted = open_bundle(arguments.bundle), TextConsole(), itertools.count(1)
    with progress_line(console, "predictions", elapsed=True) as show:
        claims, validation = check_bundle(
            bundle, refit=not arguments.no_refit, told=lambda: show("fitting again", next(counted))
        )
    print_claims(console, bundle, claims)
    if arguments.report:
        say(console, f"report: {write_report(Path(arguments.report), bundle, validation)}", dim=True)
    return not any(claim.state == FAILS for claim in claims)


def _pool(arguments: argparse.Namespace) -> bool:
    """Write a cluster pooled over bundles; it always succeeds or raises."""
    from dwdp_hw.bundle.opened import open_bundle
    from dwdp_hw.bundle.pool import pool_bundles
    from dwdp_hw.bundle.show import print_spreads, write_machines
    from dwdp_hw.calibration.calibrate import write_cluster
    from dwdp_sim.api.presets import load_cluster
    from dwdp_sim.base.terminal import TextConsole, progress_line, say

    out, console, counted = Path(arguments.out), TextConsole(), itertools.count(1)
    if out.suffix not in (".yaml", ".yml"):
        raise ConfigError("--out", arguments.out, "a cluster file, NAME.yaml, is wanted")
    bundles, start = [open_bundle(path) for path in arguments.bundles], load_cluster(arguments.cluster)
    with progress_line(console, "predictions", elapsed=True) as show:
        told = lambda: show("fitting", next(counted))  # noqa: E731
        found, spreads = pool_bundles(bundles, start, name=out.stem, told=told)
    page = write_machines(out.with_suffix(".html"), out.stem, spreads)
    path = write_cluster(out, found)
    print_spreads(console, spreads)
    say(console, f"written to {path} and {page}", dim=True)
    return True


def parser(program: str = "dwdp-hw") -> OneLineParser:
    """Reads such a command line of a program."""
    words = OneLineParser(prog=program)
    commands = words.add_subparsers(dest="command", required=True)
    node = commands.add_parser("node", help="is this machine healthy, does the model predict it, what should be set")
    node.add_argument("--out", default="outputs/node", metavar="FOLDER", help="of the page and all files (%(default)s)")
    node.add_argument("--model", action="append", help="to advise on; may be given again (one that fits the GPU)")
    node.add_argument("--isl", type=int, help="input length of its requests, in tokens")
    node.add_argument("--cluster", metavar="NAME", help="to start from; unset: the shipped one of its kind of GPU")
    node.add_argument("--only", metavar="PART,…", help="health, incast, calibrate, rates, validate, advise, bundle")
    health = commands.add_parser("health", help="what NVML says of this machine, and whether rates are as expected")
    health.add_argument("rows", nargs="*", help="files or folders of measured rows, to compare with reference rates")
    bundle = commands.add_parser("bundle", help="write rows, constants and figures into one file, without who you are")
    bundle.add_argument("paths", nargs="+", help="folders of mode=calibrate and mode=validate, or their files")
    bundle.add_argument("--out", required=True, metavar="FILE", help="the bundle")
    check = commands.add_parser("check", help="check that a bundle is whole and that what it claims holds")
    check.add_argument("bundle", help="of anybody")
    check.add_argument("--no-refit", action="store_true", help="do not fit its constants again")
    check.add_argument("--report", metavar="FILE", help="write the page on its rows")
    pool = commands.add_parser("pool", help="fit a cluster to several bundles, machines apart from runs")
    pool.add_argument("bundles", nargs="+", help="of machines of one kind")
    pool.add_argument("--cluster", required=True, help="where the fit starts: a name or a YAML file")
    pool.add_argument("--out", required=True, metavar="NAME.yaml", help="the cluster; a page on it lies beside")
    return words
