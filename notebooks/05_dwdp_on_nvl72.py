# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # DWDP on an NVL72
#
# All 72 GPUs of a GB200 NVL72 reach each other over NVLink, so a DWDP group may have any size from
# 2 to 72. A larger group needs less memory for experts and pulls more. **How large should a group
# be, and when does it beat DEP**, which keeps experts where they are and sends tokens instead?

# %%
import matplotlib.pyplot as plt
import numpy as np

from dwdp_sim.build import build_config
from dwdp_sim.iteration import dep_baseline, replicate
from dwdp_sim.metrics import lower_bound_s
from dwdp_sim.placement import Placement
from dwdp_sim.presets import preset
from dwdp_sim.simulate import simulate

plt.style.use("dwdp.mplstyle")
model = build_config(preset(), []).layer.model
print(f"{model.name}: {model.num_experts} experts, {model.num_moe_layers} MoE layers")
print(f"{model.expert_bytes / 1e6:.1f} MB an expert")

# %% [markdown]
# ## Memory against bytes
#
# A rank keeps L experts of each layer and two slots for the other E − L, which it pulls for every
# layer.

# %%
sizes = np.arange(2, 73)
placements = [Placement.create(model.num_experts, int(size)) for size in sizes]
kept = np.array([placement.num_experts_per_worker for placement in placements])
resident_gb = kept * model.num_moe_layers * model.expert_bytes / 1e9
slots_gb = 2 * (model.num_experts - kept) * model.expert_bytes / 1e9
pulled_gb = (model.num_experts - kept) * model.expert_bytes / 1e9

# %% tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
even = np.array([model.num_experts % size == 0 for size in sizes])
left.bar(sizes, resident_gb, 1.0, color="C0", label="resident")
left.bar(sizes, slots_gb, 1.0, bottom=resident_gb, color="C5", label="two slots")
left.axhline(186, color="black", linewidth=0.8, linestyle="--")
left.text(72, 184, "memory of a GPU", ha="right", va="top")
left.set(xlabel="ranks N", ylabel="experts in a GPU (GB)")
left.legend(loc="center", bbox_to_anchor=(0.5, 0.68))
right.plot(sizes, pulled_gb, color="C0", linewidth=1)
right.plot(sizes[even], pulled_gb[even], "o", color="C3", label="N divides 256")
right.set(xlabel="ranks N", ylabel="pulled a layer and rank (GB)", ylim=(0, None))
right.legend(loc="lower right")
for axis in (left, right):
    axis.set_xticks([2, 8, 16, 32, 64, 72])
plt.show()
for size in (4, 8, 16, 64, 72):
    place = size - 2
    print(f"N = {size:2}: {kept[place]:3} kept, {resident_gb[place] + slots_gb[place]:5.1f} GB")

# %% [markdown]
# Most of the memory is saved by N = 16; the slots alone then outweigh what a larger group could
# still save. Sizes that do not divide the number of experts make neighbours hold some twice: 72
# ranks keep 43 of 256 experts each, ten times as many as 64 ranks do.
#
# ## Incast
#
# Who reads whom? One layer, ranks starting at random within 8 ms, weights alone (89 % of the
# bytes), host time hidden. The published estimate, every reader choosing its source at random, is 1
# + (N − 2)/(N − 1): close to two readers for large N.

# %%
GROUPS = [4, 8, 16, 32, 72]
WEIGHTS = {"model.include": ["weight"]}


def one_layer(ranks, strategy, seed):
    """Mean and worst latency over the lower bound, and how many readers a reader's source has."""
    values = {"dwdp.dwdp_size": ranks, "workload.start": "random", "workload.max_phase_s": 8e-3}
    if strategy == "batched":
        values["strategy.slice_bytes"] = "32MiB"
    job = build_config(preset(values | WEIGHTS | {"seed": seed}, strategy=strategy), [])
    timeline = simulate(job.program, job.constants, record_links=True)
    bound_s = lower_bound_s(job.program, job.constants)
    source = np.array([flow.src for flow in timeline.flows])
    times_s = np.array([time_s for time_s, _ in timeline.link_samples])
    seen = watched = 0.0
    for (_, rates), span_s in zip(timeline.link_samples, np.diff(times_s), strict=False):
        readers = np.bincount(source[list(rates.flows)]) if rates.flows else np.zeros(1)
        seen += span_s * float((readers**2).sum())
        watched += span_s * float(readers.sum())
    elapsed_s = timeline.stream_elapsed_s
    return elapsed_s.mean() / bound_s, elapsed_s.max() / bound_s, seen / watched


def few_draws(ranks, strategy):
    """Means over three draws; of the largest group over one."""
    seeds = range(1 if ranks == 72 else 3)
    return np.mean([one_layer(ranks, strategy, seed) for seed in seeds], axis=0)


incast = {
    name: np.array([few_draws(ranks, name) for ranks in GROUPS]) for name in ("default", "batched")
}

# %% tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
places = np.arange(len(GROUPS))
for (name, rows), colour, marker in zip(incast.items(), ("C3", "C0"), "so", strict=True):
    left.plot(places, rows[:, 2], color=colour, marker=marker, label=name)
    right.plot(places, rows[:, 0], color=colour, marker=marker, label=f"{name}, mean")
    right.plot(places, rows[:, 1], color=colour, marker=marker, ls=":", label=f"{name}, worst rank")
left.plot(
    places, 1 + (np.array(GROUPS) - 2) / (np.array(GROUPS) - 1), "k--", label="published estimate"
)
left.set(ylabel="readers of the source I read, mean", ylim=(1, None))
right.set(ylabel="latency ÷ lower bound", ylim=(0.9, 3.9))
for axis in (left, right):
    axis.set_xticks(places, GROUPS)
    axis.set(xlabel="ranks N")
    axis.legend()
plt.show()

# %% [markdown]
# Readers meet more often than that, and more so in larger groups. Batched copies meet about as
# often, but suffer much less: an engine that reads two sources at once needs only half of each.
#
# ## Forward steps, beside DEP
#
# Steps of DeepSeek-R1 (8 of its 58 MoE layers) with requests of 6.5K to 8K tokens. Compute is a
# roofline for both: peak rates, evenly hit experts. DWDP reads all 256 experts on every GPU and
# waits for its copies; DEP reads a share of them, but sends every token to its experts and back,
# and all ranks wait for the slowest.

# %%
STEP_GROUPS = [4, 8, 16]
BUDGETS = [16384, 32768]


def gain_over_dep(ranks, strategy, tokens):
    """Percent more tokens a second than DEP on the same requests."""
    values = {
        "dwdp.dwdp_size": ranks,
        "model.num_moe_layers": 8,
        "model.num_layers": 11,
        "workload.ratio": 0.8,
        "workload.max_num_tokens": tokens,
        "workload.iterations": 1,
        "workload.warmup": 0,
    }
    if strategy == "batched":
        values["strategy.slice_bytes"] = "32MiB"
    found = build_config(
        preset(values | WEIGHTS, strategy=strategy, workload="iteration"), []
    ).scenario
    figures = replicate(found, seed=0).figures
    dep = dep_baseline(found, [0])[0]
    return 100 * (dep.total_s / figures["iteration_s"] - 1), figures["bubble_s"] / figures[
        "iteration_s"
    ]


steps = {
    (tokens, name): np.array([gain_over_dep(ranks, name, tokens) for ranks in STEP_GROUPS])
    for tokens in BUDGETS
    for name in ("default", "batched")
}

# %% tags=["hide-input"]
figure, axes = plt.subplots(1, 2, sharey=True, figsize=(9, 3.6))
for axis, tokens in zip(axes, BUDGETS, strict=True):
    for shift, name, colour, hatch in ((-0.2, "default", "C3", "//"), (0.2, "batched", "C0", "")):
        gains = steps[tokens, name][:, 0]
        bars = axis.bar(
            np.arange(3) + shift,
            gains,
            0.38,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=name,
        )
        axis.bar_label(bars, [f"{gain:+.0f}" for gain in gains], padding=2)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xticks(range(3), STEP_GROUPS)
    axis.set(xlabel="ranks N", title=f"up to {tokens // 1024}K tokens a step")
    axis.grid(axis="x", visible=False)
    axis.margins(y=0.15)
axes[0].set_ylabel("tokens a second over DEP (%)")
axes[0].legend(loc="upper left")
plt.show()
for (tokens, name), rows in steps.items():
    shares = ", ".join(f"{share:.0%}" for share in rows[:, 1])
    print(f"{tokens // 1024}K, {name:8} waits for experts: {shares} of the step")

# %% [markdown]
# ## Finding
#
# - **Memory argues for 8 to 16 ranks.** From N = 4 to 16 a GPU's experts shrink from 102 to 34 GB
#   with the slots; beyond, little is left. Choose a size that divides the number of experts: 64,
#   not 72.
# - **Bytes hardly argue against it** (4.8 GB a layer at N = 4, 6.2 GB at 64), **incast does**: with
#   batched copies the mean latency grows from 1.1 to about 1.3 times the bound, with the default
#   order from 1.6 to twice.
# - **Tokens a step decide against DEP.** At 32K tokens compute hides all batched copies, and DEP's
#   exchange, which grows with N, is all that differs. At 16K a layer's compute and its copies take
#   about as long: default copies then lose to DEP at every size, batched ones win by less the
#   larger the group.
# - Rooflines know no interference, launch gaps or uneven experts. Copies assume two sources in
#   flight and GB200's published incast loss for three readers also for more. Nothing here has been
#   measured.

# %% tags=["hide-input"]
means = {name: rows[:, 0] for name, rows in incast.items()}
assert means["batched"].max() < 1.4
assert means["default"].max() > 1.8
assert all(gain < 0 for gain in steps[16384, "default"][:, 0])
assert all(np.diff(steps[16384, "batched"][:, 0]) < 0)
assert all(np.diff(steps[32768, "batched"][:, 0]) > 0)
