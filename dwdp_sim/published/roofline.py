"""Published ratios of a pure roofline, one request a step: a check of this project's roofline."""

from __future__ import annotations

from dwdp_sim.job.groups import build_model
from dwdp_sim.job.presets import preset
from dwdp_sim.published.row import PublishedRow, Ranged, published_row
from dwdp_sim.steps.compute import read_peaks
from dwdp_sim.steps.dep import dep_layer
from dwdp_sim.steps.requests import Chunk
from dwdp_sim.steps.roofline import Roofline

PREFETCH_S = 4_756_342_272 / 900e9  # the paper's own: all bytes at the nominal rate of NVLink 5
_RATIOS = {1024: (0.19, 0.10), 8192: (0.62, 0.73), 16384: (1.52, 1.27), 32768: (4.77, 1.17)}


def roofline_rows() -> list[PublishedRow]:
    """Compute ÷ prefetch, and DEP ÷ DWDP, by input length."""
    config = preset(compute="roofline_gb200")
    times = Roofline(build_model(config.model), read_peaks(config.compute))
    layer, note = times.model.num_dense_layers, "2.5 PFLOP/s attention, 10 PFLOP/s FP4, 8 TB/s, 900 GB/s"
    rows = []
    for isl, (share, gain) in _RATIOS.items():
        step = (Chunk(isl),)
        compute_s = times.layer(step, layer).total_s
        dep_s = dep_layer(times, [step] * 4, layer).total_s
        found = Ranged.exact(compute_s / PREFETCH_S), Ranged.exact(dep_s / max(compute_s, PREFETCH_S))
        rows += [
            published_row(f"roofline: compute ÷ prefetch, ISL {isl}", "x", share, found[0], note),
            published_row(
                f"roofline: DEP ÷ DWDP, ISL {isl}", "x", gain, found[1], f"{note}; BF16 to the expected remote ranks"
            ),
        ]
    return rows
