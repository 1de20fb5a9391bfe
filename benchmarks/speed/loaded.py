"""What every measuring process has before it measures: modules and the compiled engine, loaded by importing this."""

from __future__ import annotations

import benchmarks.speed.results  # noqa: F401
from dwdp_sim.fabric.compiled.run import load_loop

load_loop()
