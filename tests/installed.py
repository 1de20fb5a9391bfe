"""Is a wheel whole? Install it into empty environments and use it there: `python -m tests.installed dist/NAME.whl`.

One environment for each Python that the package allows and this machine has, with the locked versions of what it
depends on; one more of Python 3.11 with the lowest versions that it allows. With pyenv, PYENV_VERSION names the Pythons
to try, as 3.11.7:3.12.1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKED = ROOT / "requirements" / "core.txt"
LOWEST = ROOT / "requirements" / "lowest.txt"
SMALL = "model=deepseek_v3_lite_nvfp4"
STEPS = ("workload.iterations=1", "workload.replications=2", "workload.range=false")
# What a user does first, each in the same folder, which is empty at the beginning.
USES = (
    ("dwdp-sim", SMALL, "hydra.run.dir=layer"),
    ("dwdp-sim", SMALL, "workload=iteration", "compute=silicon", *STEPS, "hydra.run.dir=steps"),
    ("dwdp-advise", SMALL, *STEPS, "dwdp.dwdp_size=2", "advise.screen_layers=2", "hydra.run.dir=advice"),
    ("dwdp-sim", "-m", SMALL, "strategy=default,ring", "workload.range=false", "results_dir=sweep"),
    ("dwdp-report", "query", "SELECT count(*) FROM rows", "sweep"),
    ("python", "-c", "import dwdp_sim as dwdp; print(dwdp.predict(), dwdp.load_results('sweep'))"),
    ("pip", "check"),
)


def project() -> dict[str, Any]:
    """What pyproject.toml says of the package."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def pythons() -> dict[str, str]:
    """The programs that run the versions of Python that the package says it works on, as far as they are here."""
    versions = [line.rpartition(" ")[2] for line in project()["classifiers"] if "Python :: 3." in line]
    return {version: path for version in versions if (path := _program(version))}


def _program(version: str) -> str | None:
    path = shutil.which(f"python{version}")
    if path is None:
        return None
    asked = subprocess.run(
        [path, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None  # pyenv has names of versions that it does not run


def install_and_use(wheel: Path, python: str, constraints: Path, folder: Path) -> None:
    """Install a wheel into a new environment in `folder`, use it there, and print how long it took and how large it is.

    Raises:
        CalledProcessError: The installation or a command failed.
    """
    began = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True, env=environment)
    programs, empty = folder / "venv" / "bin", folder / "empty"
    install = [programs / "pip", "install", "-q", "--no-compile", "-c", constraints, wheel]
    subprocess.run(install, check=True, env=environment)
    installed = time.perf_counter()
    empty.mkdir()
    for words in (*USES, *((name, "--help") for name in project()["scripts"])):
        subprocess.run([programs / words[0], *words[1:]], check=True, cwd=empty, env=environment, capture_output=True)
    for name in ("layer/summary.json", "steps/summary.json", "advice/advice.json", "sweep/jobs"):
        assert (empty / name).exists(), name
    size = sum(path.lstat().st_size for path in (folder / "venv").rglob("*"))
    used = time.perf_counter()
    version = subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(
        f"{version}, {constraints.name}: installed in {installed - began:.0f} s, {size / 2**20:.0f} MiB; "
        f"used in {used - installed:.0f} s",
        flush=True,
    )


def main() -> None:
    """Try a wheel on every Python; a command that fails is shown with what it said."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel.resolve()
    found = pythons()
    tries = [(python, LOCKED) for python in found.values()]
    tries += [(python, LOWEST) for version, python in found.items() if version == "3.11"]
    for python, constraints in tries:
        with tempfile.TemporaryDirectory() as folder:
            try:
                install_and_use(wheel, python, constraints, Path(folder))
            except subprocess.CalledProcessError as error:
                said = (error.stderr or b"").decode(errors="replace")
                sys.exit(f"{python}, {constraints.name}: {error}\n{said}")


if __name__ == "__main__":
    main()
