"""How long a newcomer waits: from an empty folder to a first prediction, a first advice and a first report.

Each round clones this repository as it is committed into a new folder and gives a newcomer's commands there, one after
another. Home and temporary folders are new, too, so that nothing is at hand: no downloads, no bytecode, no compiled
engine. It needs git, make, a package index and Python's own library: `make first-minutes`.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3
BIN = ".venv/bin"
# What has been reached after a command, within how many seconds from the beginning it must be, and the command.
STEPS = (
    ("clone", None, f"git clone -q {ROOT} ."),
    ("prediction", 60.0, f"make predict PYTHON={sys.executable}"),
    ("advice", 90.0, f"{BIN}/dwdp advise openai/gpt-oss-120b --gpus 8 --on hgx_h200 --isl 4096 --within 10s"),
    ("sweep", None, f"{BIN}/dwdp sweep --slice 512KiB,1MiB,2MiB,4MiB,8MiB --out results/slices"),
    ("what reports need", None, f"{BIN}/pip install -q 'dwdp-toolkit[report]'"),
    ("report", 120.0, f"{BIN}/dwdp report results/slices"),
)


def one_round(folder: Path) -> dict[str, dict[str, float]]:
    """Give all commands in an empty folder; returns the seconds of each on the clock, and of the processor."""
    for name in ("home", "temporary", "clone"):
        (folder / name).mkdir()
    hidden = ("PYTHON", "VIRTUAL_ENV", "XDG_", "MAKE", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary")}
    clock_s, processor_s = {}, {}
    for name, _, command in STEPS:
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=folder / "clone",
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock_s[name] = round(time.perf_counter() - began, 1)
        processor_s[name] = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)
        print(f"{name:20}{clock_s[name]:8.1f} s", flush=True)
        if done.returncode:
            sys.exit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return {"clock_s": clock_s, "processor_s": processor_s}


def reached(took: dict[str, float]) -> dict[str, float]:
    """Seconds from the beginning until each command had ended."""
    return dict(zip(took, itertools.accumulate(took.values()), strict=True))


def machine() -> dict[str, Any]:
    """Where it was measured; the load is of the five minutes before."""
    return {
        "cores": os.cpu_count(),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "load_before": round(os.getloadavg()[1], 1),
    }


def table(rounds: list[dict[str, dict[str, float]]]) -> str:
    """Seconds of each command, of the processor and on the clock, and on the clock from the beginning."""
    lines = [f"{'':20}{'processor':>10}{'clock':>8}{'in all':>8}{'least':>8}{'most':>8}{'allowed':>9}"]
    for name, allowed, _ in STEPS:
        elapsed = [reached(each["clock_s"])[name] for each in rounds]
        alone = [statistics.median(each[kind][name] for each in rounds) for kind in ("processor_s", "clock_s")]
        cells = (
            f"{alone[0]:10.1f}{alone[1]:8.1f}{statistics.median(elapsed):8.1f}{min(elapsed):8.1f}{max(elapsed):8.1f}"
        )
        lines.append(f"{name:20}{cells}" + ("" if allowed is None else f"{allowed:9.0f}"))
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write what was measured if a file is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file for what was measured")
    out = parser.parse_args().out
    where, rounds = machine(), []
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(one_round(Path(folder)))
    print(table(rounds))
    if out is not None:
        allowed = {name: seconds for name, seconds, _ in STEPS if seconds is not None}
        commands = {
            name: command.replace(str(ROOT), "REPOSITORY").replace(sys.executable, "python3")
            for name, _, command in STEPS
        }
        content = {"machine": where, "commands": commands, "allowed_s": allowed, "rounds": rounds}
        out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
