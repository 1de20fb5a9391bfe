# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Predicted against measured
#
# A simulator is worth its error on rows that it was not fitted to. Three campaigns on two H200s
# measured single copies, trains, batches, whole layers of three models, and pipelines of 12 layers.
# **How far off are the predictions of the shipped cluster `h200_x2`, and where do they fail?**

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import dwdp_hw
import dwdp_sim as dwdp

plt.style.use("dwdp.mplstyle")
cluster = dwdp.load_cluster("h200_x2")
files = [f"../measurements/h200_x2_{name}.json" for name in ("ordered", "random", "random_again")]
print("constants fitted on:", ", ".join(each["file"] for each in cluster.fitted_on))
print("predicted here:     ", ", ".join(Path(path).name for path in files))

# %% [markdown]
# ## Every row
#
# This is what `dwdp-hw mode=validate source=recorded` does. A row is one case; each of its ranks
# gives a figure. What cannot be judged does not count: rows that say themselves that they are
# unstable or take less than 25 µs, trains of more copies than a stream can queue, and the steps of
# the first campaign, from which one constant comes. *Queued* rows were timed after all calls had
# been made, so that they show the transfer alone; *as issued* includes the host's time; *steps* are
# pipelines.

# %%
recordings = [dwdp_hw.read_rows(path) for path in files]
found = dwdp_hw.validate(recordings, cluster)
figures = pd.DataFrame(
    vars(row) | {"mode": row.mode, "outside": row.outside, "width": row.width} for row in found.rows
)
counted = figures[figures.counts]
KINDS = {"size": "one copy", "loop": "train of copies", "batch": "one batch"}
counted = counted.assign(kind=[KINDS.get(case.split("_")[0], "layer") for case in counted.case])
print(f"{len(counted)} of {len(figures)} figures count")
groups = (100 * counted.error.abs()).groupby(counted["mode"] + ", " + counted.kind)
table = groups.agg(["size", "median", lambda group: group.quantile(0.95), "max"]).round(2)
table.set_axis(["figures", "median error (%)", "95th percentile (%)", "largest (%)"], axis=1)

# %% tags=["hide-input"]
figure, axes = plt.subplots(1, 2, sharey=True, width_ratios=(3, 2))
markers = {"one copy": "s", "train of copies": "v", "one batch": "^", "layer": "o"}
titles = {"queued": "queued: host time hidden", "as_issued": "as issued"}
for axis, mode in zip(axes, titles, strict=True):
    chosen = counted[counted["mode"] == mode]
    for colour, (kind, marker) in enumerate(markers.items()):
        own = chosen[chosen.kind == kind]
        if len(own):
            x, y = own.measured_s * 1e3, 100 * own.error
            axis.plot(x, y, marker, color=f"C{colour}", alpha=0.6, label=kind)
    axis.axhspan(-3, 3, color="C2", alpha=0.12, linewidth=0)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(xscale="log", xlabel="measured (ms)", title=titles[mode])
    axis.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
axes[0].set_ylabel("predicted ÷ measured − 1 (%)")
axes[0].legend(loc="lower right")
plt.show()

# %% [markdown]
# Queued layers lie within 0.7 %, single batches within 2 %. What leaves the green band of ± 3 % is
# one single copy of 16 MiB, 50 to 60 µs long, whose fixed part differs by a few µs from run to run.
#
# As issued, errors grow to 21 %, above all with small slices. That is the host, not the links: a
# slice takes 0.4 to 1.1 µs to issue, depending on which of two speeds the core runs at. A
# prediction of such a row is therefore a range, over the processes that the calibration saw:

# %%
issued = counted[counted["mode"] == "as_issued"]
inside = (issued.outside == 0).mean()
beyond = 100 * issued.outside.abs().max()
print(f"{inside:.0%} of {len(issued)} lie in the range; the furthest is {beyond:.1f} % beyond")
print(f"ranges are {100 * issued.width.median():.0f} % wide in the median")
decided = [each for each in found.rankings if each.decided]
print(f"faster of two strategies: right in {sum(e.right for e in decided)} of {len(decided)} pairs")

# %% [markdown]
# ## Every slice
#
# A total can be right for the wrong reason. For batches, a kernel watched each slice arrive. This
# is one layer of V3-Lite on both GPUs, in slices of up to 2 MiB: predicted minus measured arrival.

# %%
row = next(row for row in recordings[0].rows if row.case == "v3lite36_batched_2048K_queued")
timeline = dwdp.replay(row.program, cluster=cluster, with_range=False).timeline
owner = row.program.call_stream[row.program.copy_call]
late_us = [
    1e6 * (timeline.copy_end_s[owner == rank] - np.array(row.arrival_s[rank])) for rank in (0, 1)
]
for rank, late in enumerate(late_us):
    print(f"rank {rank}: {len(late)} slices, {late.min():+.1f} to {late.max():+.1f} µs")

# %% tags=["hide-input"]
figure, axes = plt.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 2), figsize=(9, 4.6))
for rank in range(2):
    measured_us = np.array(row.arrival_s[rank]) * 1e6
    predicted_us = timeline.copy_end_s[owner == rank] * 1e6
    arrived_mb = np.cumsum(row.program.copy_bytes[owner == rank]) / 1e6
    axes[0, rank].plot(measured_us, arrived_mb, color="C5", linewidth=5, label="measured")
    axes[0, rank].plot(predicted_us, arrived_mb, color="C3", linewidth=1.3, label="predicted")
    axes[1, rank].plot(measured_us, predicted_us - measured_us, color="black", linewidth=1)
    axes[1, rank].axhline(0, color="black", linewidth=0.8, linestyle=":")
    axes[1, rank].set_xlabel("time since the rank's start (µs)")
    axes[0, rank].set_title(f"rank {rank}")
axes[0, 0].set_ylabel("arrived (MB)")
axes[1, 0].set_ylabel("predicted −\nmeasured (µs)")
axes[0, 0].legend()
plt.show()

# %% [markdown]
# ## Pipelines of 12 layers
#
# Here layer l + 2 is prefetched after layer l has computed, and compute waits for its experts. From
# the compute windows *as measured*, the simulator predicts the step. One constant comes from steps:
# what an event between two streams costs, from the waits of the first campaign. The other two
# campaigns count.

# %%
steps = counted[counted["mode"] == "steps"]
errors = 100 * steps.error
median, largest = errors.abs().median(), errors.abs().max()
print(f"{len(errors)} figures: median {median:.2f} %, largest {largest:.2f} %")

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(9, 3.2))
bound = {step.case for each in recordings for step in each.steps if step.copy_bound}
labels = {True: "copies are the bottleneck", False: "compute is"}
for colour, marker, (which, label) in zip(("C3", "C0"), "so", labels.items(), strict=True):
    own = steps[steps.case.isin(bound) == which]
    axis.plot(own.measured_s * 1e3, 100 * own.error, marker, color=colour, alpha=0.6, label=label)
axis.axhline(0, color="black", linewidth=0.8)
axis.set(
    xscale="log", xlabel="measured step (ms)", ylabel="predicted ÷ measured − 1 (%)", ylim=(-1, 1)
)
axis.set_xticks([10, 30, 100], ["10", "30", "100"])
axis.minorticks_off()
axis.legend()
plt.show()

# %% [markdown]
# ## Finding
#
# - Where host time is hidden, layers are predicted within 0.7 %, with a median of 0.1 %, and their
#   slices arrive when predicted, within 6 µs.
# - Where it is not, the totals are uncertain by the host's two speeds: predict a range, or measure
#   your own host (`dwdp-hw mode=calibrate`). Measured times lie at most 3.8 % outside.
# - Steps follow: prefetches, waits and compute of 12 layers add up within 0.8 %.
# - Which of two strategies is faster was predicted rightly in all 219 pairs that the measurement
#   tells apart.
# - **What this does not show:** two GPUs have one reader for each source. Contention among three
#   and more is a set of hypotheses, and every such prediction stands beside its range over them.

# %% tags=["hide-input"]
queued = counted[counted["mode"] == "queued"]
layers, batches = (queued[queued.kind == kind] for kind in ("layer", "one batch"))
assert found.passed
assert set(queued.groupby("file").size()) == {114}
assert layers.error.abs().max() < 0.007
assert batches.error.abs().max() < 0.02
assert f"{layers.error.abs().median():.1%}" == "0.1%"
(off,) = queued[queued.error.abs() > 0.03].itertuples()
assert off.case == "size_solo_16777216"
assert 50e-6 < off.measured_s < 60e-6
assert f"{issued.error.abs().max():.0%}" == "21%"
assert f"{beyond:.1f}" == "3.8"
low, high = (1e6 * end for end in cluster.constants["issue_slice_s"].interval)
assert (f"{low:.1f}", f"{high:.1f}") == ("0.4", "1.1")
assert largest < 0.8
assert [each.right for each in decided] == [True] * 219
assert max(abs(late).max() for late in late_us) < 6
