# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Slice size: when it matters
#
# `contention_opt` cuts every parameter into slices of 2 MiB and interleaves the peers' slices.
# Smaller slices interleave more finely, but each costs the host time to issue. **Is 2 MiB a good
# size, and does it matter at all?** Two H200s give a measured answer for what slices cost. For what
# they bring where ranks contend there are two predictions, and they differ: nobody has measured
# what an engine keeps in flight, some *sources* or some *bytes*.

# %%
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import dwdp_hw
import dwdp_sim as dwdp

plt.style.use("dwdp.mplstyle")
MIB = 2**20
MEASUREMENTS = Path("../measurements")

# %% [markdown]
# ## Measured: a slice costs host time, and nothing else
#
# One layer of DeepSeek-R1 (56 experts from the peer, 1.39 GB) pulled by both of two H200s, batched
# in slices of 256 KiB to 64 MiB. On the left all calls had been made before the clock started; on
# the right the host begins to issue with the clock. Dots are measured (one a rank, three
# campaigns), lines predicted by the shipped constants. The band covers the host costs of every
# process measured: a core runs at one of two speeds.

# %%
cluster = dwdp.load_cluster("h200_x2")
campaigns = ("ordered", "random", "random_again")
recordings = [dwdp_hw.read_rows(MEASUREMENTS / f"h200_x2_{name}.json") for name in campaigns]
SIZES_KIB = (256, 1024, 2048, 8192, 65536)


def rows_of(mode):
    """The recorded rows of one issue mode by slice size in KiB."""
    wanted = {f"r1_56_batched_{size}K_{mode}": size for size in SIZES_KIB}
    found = [
        (wanted[row.case], row) for each in recordings for row in each.rows if row.case in wanted
    ]
    return sorted(found, key=lambda pair: pair[0])


measured = {mode: rows_of(mode) for mode in ("queued", "as_issued")}
predicted = {
    mode: {size: dwdp_hw.predict_row(row, cluster) for size, row in rows}
    for mode, rows in measured.items()
}
for mode, rows in measured.items():
    times_ms = [max(row.median_s) * 1e3 for size, row in rows if size == 2048]
    print(f"2 MiB, {mode}:", ", ".join(f"{time:.2f}" for time in times_ms), "ms")

# %% tags=["hide-input"]
figure, axes = plt.subplots(1, 2, sharey=True)
titles = {"queued": "queued: host time hidden", "as_issued": "as issued: host time counts"}
for axis, (mode, rows) in zip(axes, measured.items(), strict=True):
    sizes = np.array(SIZES_KIB) / 1024
    forecast = [predicted[mode][size] for size in SIZES_KIB]
    low, high = (
        [f(getattr(each, key)) * 1e3 for each in forecast]
        for f, key in ((min, "low_s"), (max, "high_s"))
    )
    axis.fill_between(sizes, low, high, color="C1", alpha=0.3, linewidth=0, label="predicted range")
    axis.plot(sizes, [each.mean_s.max() * 1e3 for each in forecast], color="C1", label="predicted")
    for size, row in rows:
        axis.plot([size / 1024] * 2, np.array(row.median_s) * 1e3, "o", color="C0", markersize=5)
    axis.plot([], [], "o", color="C0", label="measured")
    axis.set(xscale="log", xlabel="slice size (MiB)", title=titles[mode])
    axis.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axis.minorticks_off()
axes[0].set(ylabel="prefetch latency (ms)", ylim=(0, None))
axes[1].legend()
plt.show()


# %%
def host_share(size_kib):
    """Percent by which layers took longer as issued than queued: five layers, three campaigns."""
    layers = ("v3lite36", "r1_16", "r1_56", "r1_128", "gptoss64")
    rows = [{row.case: row for row in each.rows} for each in recordings]
    times = [
        [max(each[f"{layer}_batched_{size_kib}K_{mode}"].median_s) for each in rows]
        for mode in ("as_issued", "queued")
        for layer in layers
    ]
    issued, queued = np.array(times).reshape(2, -1)
    return 100 * (issued / queued - 1)


shares = {size: host_share(size) for size in SIZES_KIB[1:]}  # rows of 256 KiB are not all stable
for size, share in shares.items():
    print(f"{size / 1024:2g} MiB: host time adds {share.min():.1f} to {share.max():.1f} %")
slice_s, rate = (cluster.constants[name].value for name in ("issue_slice_s", "pair_bytes_per_s"))
formula = 100 * slice_s * rate / (2 * MIB)
print(f"formula, 2 MiB: {slice_s * 1e6:.2f} µs · {rate / 1e9:.0f} GB/s ÷ 2 MiB = {formula:.0f} %")

# %% [markdown]
# Host time hidden, slices from 256 KiB to 64 MiB take the same time within half a percent: the
# copies of a batch follow each other without gaps, however small. With host time, the GPU begins
# when the whole call has been made, so that all of a batch's issue time comes on top. Its share is
#
#     issue time ÷ transfer time = issue_slice_s · rate ÷ slice size
#
# which does not depend on the model.
#
# ## Predicted: what finer slices bring against contention
#
# Four GPUs of a DGX B200 pull a layer of gpt-oss-120b (a quarter of DeepSeek-R1's bytes, so that
# even small slices are simulated quickly) and start within 1 ms of each other, host time hidden.
# Two families of hypotheses:
#
# - **Sources are counted.** So many sources of the batch are in flight, whatever a slice is.
# - **Bytes are counted.** The engine requests the batch in order, at most so many bytes ahead of
#   what has arrived. Slices smaller than that window have several sources in flight; larger ones
#   one, but for a moment at each seam.

# %%
DRAWS = {0.25: 2, 1: 2, 2: 3, 8: 6, 32: 12, 128: 24}  # by slice size in MiB
SLICES = list(DRAWS)
shipped, options = dwdp.load_cluster("dgx_b200"), dwdp.FabricOptions()


def slowdown(slice_mib, hypothesis):
    """Mean latency over the lower bound if a hypothesis holds."""
    machine, alternatives = hypothesis.machine(shipped, options)
    runs = [
        dwdp.predict(
            model="gpt_oss_120b_mxfp4",
            cluster=machine,
            options=alternatives,
            strategy=replace(dwdp.load_strategy("batched"), slice_bytes=int(slice_mib * MIB)),
            starts=dwdp.Starts(draws=1, max_phase_s=1e-3),
            seed=seed,
            with_range=False,
        )
        for seed in range(DRAWS[slice_mib])
    ]
    return np.mean([run.latency_s / run.bound_s for run in runs])


by_name = {
    name: [slowdown(size, hypothesis) for size in SLICES]
    for name, hypothesis in dwdp.hypotheses(shipped, options).items()
}

# %% tags=["hide-input"]
PANELS = {
    "sources are counted": {
        "1 source": ("C1", "s"),
        "two engines": ("C4", "D"),
        "2 sources, oldest": ("C0", "o"),
        "3 sources, oldest": ("C2", "^"),
    },
    "bytes are counted": {
        "256 KiB ahead": ("C1", "v"),
        "1 MiB ahead": ("C0", "<"),
        "4 MiB ahead": ("C2", ">"),
    },
}
figure, axes = plt.subplots(1, 2, sharey=True)
places = np.arange(len(SLICES))
for axis, (title, walks) in zip(axes, PANELS.items(), strict=True):
    for walk, (colour, marker) in walks.items():
        fair, equal = by_name[f"{walk}; fair"], by_name[f"{walk}; equal"]
        axis.fill_between(places, fair, equal, color=colour, alpha=0.2, linewidth=0)
        axis.plot(places, fair, color=colour, marker=marker, label=walk)
    axis.set_xticks(places, [f"{size:g}" for size in SLICES])
    axis.set(xlabel="slice size (MiB)", title=title, ylim=(0.95, 1.75))
    axis.legend(ncols=2, loc="upper center")
axes[0].set_ylabel("mean latency ÷ lower bound")
plt.show()

# %%
finer = {name: rows[0] / rows[SLICES.index(2)] - 1 for name, rows in by_name.items()}
coarser = {
    name: rows[SLICES.index(8)] / rows[SLICES.index(2)] - 1 for name, rows in by_name.items()
}
for text, change in (("256 KiB", finer), ("8 MiB", coarser)):
    of_bytes = [100 * value for name, value in change.items() if "ahead" in name]
    others = [100 * value for name, value in change.items() if "ahead" not in name]
    print(
        f"{text} against 2 MiB: {min(others):+.0f} to {max(others):+.0f} % if sources are counted"
    )
    print(f"    {min(of_bytes):+.0f} to {max(of_bytes):+.0f} % if bytes are")

# %% [markdown]
# Lines are for sources that serve each reader alike; shading reaches to engines that share alike
# between the copies of their own that are in flight. **If sources are counted, the size does not
# matter. If bytes are counted, it decides everything:** slices no larger than the window reach the
# bound, so that those of 256 KiB do under each of these windows; slices of several windows contend
# as if one source were in flight. One measurement on three GPUs, a batch in slices of 256 KiB and
# of 32 MiB, tells the families apart.
#
# ## How small may a slice be?
#
# What limits it is the host. Issuing is hidden where the host runs ahead of the GPU, and it can as
# long as a layer's calls take less than a layer's compute. This is the issue time of one layer of
# DeepSeek-R1 at N = 4, for host costs between an H200 server's better cores (0.5 µs a slice) and
# what was reported, unconfirmed, for GB200's Grace (3.3 µs). The band reaches from half the compute
# of a published layer (up to 32K tokens a step) to all of it.

# %%
STEP_S, LAYERS = 1.13158, 58  # the published step, and the MoE layers of DeepSeek-R1
r1 = dwdp.predict(strategy="batched", with_range=False)
pulled = r1.job.program.copy_bytes.sum() / 4
transfer_ms = 1e3 * r1.bound_s
window_ms = 1e3 * STEP_S / LAYERS
sizes = 2.0 ** np.arange(-2, 7)  # MiB
COSTS_US = (0.5, 1.0, 3.3)
issue_ms = {cost_us: pulled / (sizes * MIB) * cost_us * 1e-3 for cost_us in COSTS_US}
at = {size: [rows[list(sizes).index(size)] for rows in issue_ms.values()] for size in (0.25, 1, 2)}
for size, times_ms in at.items():
    print(f"{size:4g} MiB:", ", ".join(f"{time:.1f}" for time in times_ms), "ms")
print(f"window of a published step: {window_ms:.1f} ms a layer")

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(9, 3.6))
for (cost_us, times_ms), colour, marker in zip(
    issue_ms.items(), ("C0", "C1", "C3"), "os^", strict=True
):
    axis.plot(sizes, times_ms, color=colour, marker=marker, label=f"{cost_us} µs a slice")
axis.axhspan(window_ms / 2, window_ms, color="C2", alpha=0.2, linewidth=0)
axis.text(64, window_ms / 1.4, "compute of a layer", ha="right", va="center")
axis.axhline(transfer_ms, color="black", linewidth=0.8, linestyle="--")
axis.text(64, 0.93 * transfer_ms, "transfer", ha="right", va="top")
axis.set(xscale="log", yscale="log", xlabel="slice size (MiB)", ylabel="issue time of a layer (ms)")
axis.set_xticks(sizes, [f"{size:g}" for size in sizes])
axis.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
axis.minorticks_off()
axis.legend(title="host cost", loc="lower left")
plt.show()

# %% [markdown]
# ## Finding
#
# Measured:
#
# - **Without contention and with host time hidden the size does not matter**, from 256 KiB to 64
#   MiB.
# - **It matters where the host cannot run ahead.** There 1 MiB slices took 17 to 40 % longer than
#   with host time hidden, over five layers and three campaigns; 2 MiB slices 9 to 22 %, 8 MiB
#   slices 4 to 9 %, 64 MiB slices 1 to 5 %.
#
# Predicted, where ranks contend and copies are the bottleneck:
#
# - Under **every** hypothesis slices of 256 KiB move a layer in the time of 2 MiB slices (within 3
#   %) or less, and slices of 8 MiB in that time (within 5 %, as draws scatter) or more.
# - Under **some**, those that count bytes, the difference is large: 256 KiB slices take up to 31 %
#   less time than 2 MiB slices, and 8 MiB slices up to 31 % more.
#
# So a size above 2 MiB is a choice for hosts that cannot run ahead, not one without a price. Where
# host time is hidden, 1 MiB slices risk nothing but the host: at 0.5 to 1.0 µs a slice they take
# 2.3 to 4.5 ms a layer to issue; 256 KiB take 9 to 18 ms, as long as a layer computes. At 3.3 µs
# even 2 MiB slices take longer to issue than to move. Nothing here was measured on three GPUs or
# more.

# %% tags=["hide-input"]
ends = {size: f"{share.min():.0f} to {share.max():.0f}" for size, share in shares.items()}
assert ends == {1024: "17 to 40", 2048: "9 to 22", 8192: "4 to 9", 65536: "1 to 5"}
queued_s = [max(row.median_s) for _, row in measured["queued"]]
assert max(queued_s) / min(queued_s) < 1.005
r1_56 = {row.program.copy_bytes.sum() / 2 for _, row in measured["queued"]}
assert [f"{each / 1e9:.2f}" for each in r1_56] == ["1.39"]
counted = [name for name in by_name if "ahead" not in name]
assert max(abs(finer[name]) for name in counted) < 0.03
assert max(abs(coarser[name]) for name in counted) < 0.05
assert max(finer.values()) < 0.03
assert f"{min(finer.values()):.0%}" == "-31%"
assert min(coarser.values()) > -0.05
assert f"{max(coarser.values()):.0%}" == "31%"
windows = [by_name[f"{window} ahead; fair"] for window in ("256 KiB", "1 MiB", "4 MiB")]
assert [row[0] < 1.02 for row in windows] == [True] * 3
alike = np.array(windows)[:, 4] / by_name["1 source; fair"][4]
assert np.abs(alike - 1).max() < 0.05
assert [f"{time:.1f}" for time in at[1][:2]] == ["2.3", "4.5"]
assert [f"{time:.0f}" for time in at[0.25][:2]] == ["9", "18"]
assert at[2][2] > transfer_ms
