"""Python imports this when it starts, because the recorder put its folder first on PYTHONPATH: record this process.

Whatever goes wrong here must not hurt the engine: it is said on standard error, and the engine runs unrecorded.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _record() -> None:
    """Import the recorder from where this file lies, without leaving that folder on the engine's path."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    before = list(sys.path)
    sys.path.append(root)
    try:
        from dwdp_hw.record.inside.start import start  # noqa: PLC0415  # only now can it be found
    finally:
        sys.path[:] = before
    start(os.environ)


def _run_the_next_one() -> None:
    """Run the `sitecustomize` that this one hides, if there is one, as if it had been found first."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [folder for folder in sys.path if os.path.abspath(folder) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


try:
    _record()
except Exception as error:  # the engine comes first
    sys.stderr.write(f"dwdp_hw.record: this process is not recorded: {type(error).__name__}: {error}\n")
_run_the_next_one()
