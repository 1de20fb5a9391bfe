"""How far a step changes when small slices are simulated as fewer, larger ones (`dwdp_sim/steps/coarse_plan.py`).

    python benchmarks/coarse_plans.py docs/data/coarse_plans.jsonl

Eight layers, four seeds, ranks at random phases, every walk of a batch; 2 MiB slices (DeepSeek-V3-Lite: 256 KiB) as
they are against what `dwdp-advise` simulates in the final comparison (32 slices of the largest pull or more) and while
it screens (12 or more). About ten minutes on one core.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from dwdp_sim.advice.trial import Baseline, Trial
from dwdp_sim.advice.trials import Trials
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.estimate import paired_gain
from dwdp_sim.fabric.hypotheses import WALKS, Hypothesis
from dwdp_sim.job.build_steps import build_steps_job
from dwdp_sim.job.presets import preset
from dwdp_sim.job.resolve import resolve
from dwdp_sim.plan.kinds import BATCHED, WAVES
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.coarse_plan import COARSE_SLICES, SLICES_A_PULL

SEEDS, LAYERS, EVERY = range(4), 8, 10**9
R1 = {"dwdp.dwdp_size": 4, "workload.ratio": 0.5}
# Model, values, strategy
CASES: dict[str, tuple[str, dict[str, Any], Strategy]] = {
    "batched, trtllm_ipc, DeepSeek-R1, N = 4": ("deepseek_r1_nvfp4", R1, Strategy(BATCHED)),
    "batched, trtllm_vmm, DeepSeek-R1, N = 4": ("deepseek_r1_nvfp4", R1, Strategy(BATCHED, "trtllm_vmm")),
    "batched, trtllm_ipc, DeepSeek-V3-Lite, N = 3": (
        "deepseek_v3_lite_nvfp4",
        {"dwdp.dwdp_size": 3, "workload.ratio": 0.5, "workload.max_num_tokens": 8192},
        Strategy(BATCHED, slice_bytes=2**18),
    ),
    "waves, trtllm_ipc, DeepSeek-R1, N = 4": ("deepseek_r1_nvfp4", R1, Strategy(WAVES)),
}


def main() -> None:
    """Write the changes: simulated ÷ as it is − 1, mean over seeds and half of its 95 % interval."""
    found = []
    for case, (model, values, strategy) in CASES.items():
        config = preset(values, workload="iteration", model=model)
        runner = Trials(Baseline.of(build_steps_job(resolve(config))), None)
        for walk, settings in WALKS.items():
            real = Trial(strategy, state=Hypothesis(walk, constants=settings), layers=LAYERS, slices=EVERY)
            expected = runner.times(real, SEEDS)
            for slices in (SLICES_A_PULL, COARSE_SLICES):
                change = paired_gain(expected, runner.times(replace(real, slices=slices), SEEDS))
                found.append(
                    {
                        "case": case,
                        "walk": walk,
                        "slices": slices,
                        "change": change.mean,
                        "half_width": change.half_width,
                    }
                )
                print(found[-1], file=sys.stderr)
    lines = "".join(json.dumps(row) + "\n" for row in found)
    write_whole(Path(sys.argv[1]), lambda path: path.write_text(lines))


if __name__ == "__main__":
    main()
