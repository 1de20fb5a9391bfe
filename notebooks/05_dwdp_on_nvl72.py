# ---
# jupyter:
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
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import dwdp_sim as dwdp

plt.style.use("dwdp.mplstyle")
model = dwdp.load_model("deepseek_r1_nvfp4")
print(f"{model.name}: {model.num_experts} experts, {model.num_moe_layers} MoE layers")
weights = replace(model, include=("weight",))
share = weights.expert_bytes / model.expert_bytes
print(f"{model.expert_bytes / 1e6:.1f} MB an expert, {share:.0%} of it weights")

# %% [markdown]
# ## Memory against bytes
#
# A rank keeps L experts of each layer and two slots for the other E − L, which it pulls for every
# layer.

# %%
sizes = np.arange(2, 73)
placements = [dwdp.Placement.create(model.num_experts, int(size)) for size in sizes]
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
memory_gb = dict(zip(sizes.tolist(), (resident_gb + slots_gb).tolist(), strict=True))
for size in (4, 8, 16, 64, 72):
    print(
        f"N = {size:2}: {kept[size - 2]:3} of 256 kept, {memory_gb[size]:5.1f} GB,",
        f"{pulled_gb[size - 2]:.1f} GB pulled a layer",
    )

# %% [markdown]
# Most of the memory is saved by N = 16; the slots alone then outweigh what a larger group could
# still save. Sizes that do not divide the number of experts make neighbours hold some twice: 72
# ranks keep 43 of 256 experts each, more than ten times as many as 64 ranks do, which keep 4.
#
# ## Contention
#
# Who reads whom? One layer, ranks starting at random within 8 ms, weights alone (89 % of the
# bytes), host time hidden. The published estimate, every reader choosing its source at random, is 1
# + (N − 2)/(N − 1): close to two readers for large N. What that costs depends on how many sources
# an engine has in flight, which nobody has measured: one, two and all stand here for the
# [hypotheses](../docs/hypotheses.md), at whose ends one and all are.

# %%
DRAWS = {4: 16, 8: 8, 16: 3, 32: 1}
GROUPS = list(DRAWS)
MIB = 2**20
WALKS = {
    "1 source; fair": ("1 source", "C1", "s"),
    "as configured": ("2 sources", "C0", "o"),
    "all sources; fair": ("all sources", "C2", "^"),
}


def machine(walk):
    """The cluster and the options if an engine has so many sources in flight."""
    shipped, options = dwdp.load_cluster("gb200_nvl72"), dwdp.FabricOptions()
    return dwdp.hypotheses(shipped, options)[walk].machine(shipped, options)


def strategy_of(name, slice_bytes):
    """A strategy by name, batched in larger slices than by default."""
    chosen = dwdp.load_strategy(name)
    return replace(chosen, slice_bytes=slice_bytes) if name == "batched" else chosen


def readers_seen(timeline):
    """How many readers a reader's source has, mean over time and readers."""
    source = np.array([flow.src for flow in timeline.links.flows])
    times_s = np.array([time_s for time_s, _ in timeline.links.samples])
    seen = watched = 0.0
    for (_, rates), span_s in zip(timeline.links.samples, np.diff(times_s), strict=False):
        readers = np.bincount(source[list(rates.flows)]) if rates.flows else np.zeros(1)
        seen += span_s * float((readers**2).sum())
        watched += span_s * float(readers.sum())
    return seen / watched


def one_layer(ranks, strategy, walk="as configured"):
    """Mean latency over the lower bound, and readers, over some draws."""
    cluster, options = machine(walk)
    runs = [
        dwdp.predict(
            model=weights,
            cluster=cluster,
            options=options,
            strategy=strategy_of(strategy, 32 * MIB),
            dwdp_size=ranks,
            starts=dwdp.Starts(draws=1, max_phase_s=8e-3),
            seed=seed,
            with_range=False,
        )
        for seed in range(DRAWS[ranks])
    ]
    ratio = np.mean([run.latency_s / run.bound_s for run in runs])
    return ratio, np.mean([readers_seen(run.timeline) for run in runs])


of_default = np.array([one_layer(ranks, "default") for ranks in GROUPS])
of_batched = {
    walk: np.array([one_layer(ranks, "batched", walk) for ranks in GROUPS]) for walk in WALKS
}

# %% tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
places = np.arange(len(GROUPS))
estimate = 1 + (np.array(GROUPS) - 2) / (np.array(GROUPS) - 1)
for axis, column, walks in ((left, 1, list(WALKS)[:2]), (right, 0, WALKS)):
    axis.plot(places, of_default[:, column], color="C3", marker="D", label="default")
    for walk in walks:
        label, colour, marker = WALKS[walk]
        line = of_batched[walk][:, column]
        axis.plot(places, line, color=colour, marker=marker, label=f"batched, {label}")
    axis.set_xticks(places, GROUPS)
    axis.set(xlabel="ranks N")
left.plot(places, estimate, "k--", label="published estimate")
left.set(ylabel="readers of the source I read, mean", ylim=(1, 3.5))
right.set(ylabel="mean latency ÷ lower bound", ylim=(0.9, 2.5))
left.legend(loc="upper left", ncols=2)
right.legend(loc="upper left", ncols=2)
plt.show()
for name, rows in {"default": of_default, **of_batched}.items():
    print(f"{name:20}", ", ".join(f"{ratio:.2f}" for ratio, _ in rows), "× the bound")

# %% [markdown]
# Readers meet more often than that in larger groups: 2.1 of them at N = 8 and 2.7 at N = 16 in the
# default order. Batched copies meet about as often. With one source in flight they pay for it as
# the default ones do; with two, half as much is wanted of each source at a time, and what one
# reader leaves another takes. With all in flight (not drawn on the left) everybody reads from
# everybody all the time, and nothing is lost.
#
# ## Forward steps, beside DEP
#
# Steps of DeepSeek-R1 (6 of its 58 MoE layers) with requests of 6.5K to 8K tokens. Both compute
# with measured kernels of TensorRT-LLM. DWDP waits for its copies, which slow its kernels down
# while they arrive; DEP sends every token to its experts and back, by the measured exchange, and
# all ranks wait for the slowest.

# %%
SEEDS = {4: 4, 8: 3, 16: 2}  # of 16K tokens; of 32K, where copies are hidden, one will do
STEP_GROUPS = list(SEEDS)
BUDGETS = [16384, 32768]


def gain_over_dep(ranks, strategy, tokens, walk="as configured"):
    """Percent more tokens a second than DEP on the same requests, for each seed."""
    workload = dwdp.StepsWorkload(
        compute=dwdp.load_compute("silicon"),
        load=dwdp.RequestLoad(ratio=0.8, max_num_tokens=tokens),
        iterations=1,
        warmup=0,
    )
    cluster, options = machine(walk)
    found = dwdp.predict_steps(
        model=replace(weights, num_moe_layers=6, num_layers=9),
        cluster=cluster,
        options=options,
        strategy=strategy_of(strategy, 64 * MIB),
        dwdp_size=ranks,
        workload=workload,
        replications=SEEDS[ranks] if tokens == BUDGETS[0] else 1,
        with_range=False,
    )
    dep_s = np.array([each.total_s for each in found.result.dep])
    return 100 * (dep_s / [run.figures["iteration_s"] for run in found.result.replications] - 1)


def gains(strategy, walk="as configured"):
    """By tokens a step, for each group and seed."""
    return {
        tokens: [gain_over_dep(ranks, strategy, tokens, walk) for ranks in STEP_GROUPS]
        for tokens in BUDGETS
    }


steps = {"default": gains("default"), **{walk: gains("batched", walk) for walk in WALKS}}

# %% tags=["hide-input"]
figure, axes = plt.subplots(1, 2, sharey=True, figsize=(9, 3.6))
BARS = {
    "default": ("default", "C3", "//"),
    "1 source; fair": ("batched, 1 source", "C1", "\\\\"),
    "as configured": ("batched, 2 sources", "C0", ""),
    "all sources; fair": ("batched, all sources", "C2", "xx"),
}
for axis, tokens in zip(axes, BUDGETS, strict=True):
    for place, (name, (label, colour, hatch)) in enumerate(BARS.items()):
        means = [each.mean() for each in steps[name][tokens]]
        bars = axis.bar(
            np.arange(3) + 0.21 * (place - 1.5),
            means,
            0.2,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
        axis.bar_label(bars, [f"{gain:+.0f}" for gain in means], fontsize=8)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xticks(range(3), STEP_GROUPS)
    axis.set(xlabel="ranks N", title=f"up to {tokens // 1024}K tokens a step")
    axis.grid(axis="x", visible=False)
    axis.margins(y=0.15)
axes[0].set_ylabel("tokens a second over DEP (%)")
axes[0].legend(loc="upper left")
plt.show()
for name, of_tokens in steps.items():
    spans = ", ".join(f"{each.min():+.0f} to {each.max():+.0f}" for each in of_tokens[16384])
    print(f"{name:18} 16K, over seeds: {spans} %")

# %% [markdown]
# ## Finding
#
# Whatever an engine has in flight:
#
# - **Memory argues for 8 to 16 ranks.** From N = 4 to 16 a GPU's experts shrink from 101 to 35 GB
#   with the slots; beyond, little is left. Choose a size that divides the number of experts: 64,
#   not 72.
# - **Bytes hardly argue against it**: 4.8 GB a layer at N = 4, 6.2 GB at 64.
# - **DWDP beats DEP by more the larger the group**: DEP's exchange grows with N, and compute hides
#   nearly all copies. At 32K tokens a step it gives 9, 16 and 21 to 22 % more tokens a second,
#   whatever the strategy; at 16K, over seeds, 4 to 8 % at N = 4 and 16 to 20 % at N = 16.
#
# What depends on it:
#
# - **Contention** grows with the group: from 1.39 to 1.95 times the bound with the default order,
#   1.35 to 1.62 times with batched copies and one source in flight, 1.05 to 1.17 times with two,
#   and not at all with all in flight.
# - **At 16K tokens** batched copies give at most 2.1 points more than default ones: with measured
#   kernels a layer computes clearly longer than its uncontended prefetch takes. (With a roofline in
#   their place the two were alike, and how an engine walks a batch seemed to decide.)
#
# Kernels were measured one by one, alone. Which of them run, launch gaps and unevenly loaded ranks
# are left out.

# %% tags=["hide-input"]
assert f"{share:.0%}" == "89%"
assert [f"{memory_gb[size]:.0f}" for size in (4, 16)] == ["101", "35"]
assert memory_gb[16] - memory_gb[64] < 0.2 * memory_gb[4]
assert [f"{pulled_gb[size - 2]:.1f}" for size in (4, 64)] == ["4.8", "6.2"]
assert [int(kept[size - 2]) for size in (72, 64)] == [43, 4]
assert [f"{readers:.1f}" for _, readers in of_default[1:3]] == ["2.1", "2.7"]
assert all(of_default[1:, 1] > estimate[1:])
spans = {
    name: f"{rows[:, 0].min():.2f} {rows[:, 0].max():.2f}"
    for name, rows in {"default": of_default, **of_batched}.items()
}
assert spans == {
    "default": "1.39 1.95",
    "1 source; fair": "1.35 1.62",
    "as configured": "1.05 1.17",
    "all sources; fair": "1.01 1.01",
}
long = [[f"{each[0]:.0f}" for each in of_tokens[32768]] for of_tokens in steps.values()]
assert [sorted({row[place] for row in long}) for place in range(3)] == [["9"], ["16"], ["21", "22"]]
short = {name: of_tokens[16384] for name, of_tokens in steps.items()}
for place, ends in ((0, ("4", "8")), (2, ("16", "20"))):
    found = np.concatenate([rows[place] for rows in short.values()])
    assert (f"{found.min():.0f}", f"{found.max():.0f}") == ends
more = max(
    batched.mean() - default.mean()
    for name in WALKS
    for batched, default in zip(short[name], short["default"], strict=True)
)
assert f"{more:.1f}" == "2.1"
