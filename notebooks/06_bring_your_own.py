# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Bring your own model, cluster and trace
#
# **What would DWDP do for your model on your machine, and does the prediction agree with a run of
# yours?** Three files answer: the model's `config.json`, constants of the cluster, and a profiler's
# trace. No GPU is needed. The same three work on the command line; the lines stand at the end of
# each section.

# %%
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import dwdp_hw
import dwdp_sim as dwdp

plt.style.use("dwdp.mplstyle")
scratch = tempfile.TemporaryDirectory()  # goes with the kernel

# %% [markdown]
# ## A model
#
# The keys of DeepSeek-V3, Qwen3-MoE, gpt-oss and Mixtral are understood. Only the format of the
# experts is not in the file. This one is made up.

# %%
config_json = Path(scratch.name) / "config.json"
config_json.write_text(
    json.dumps(
        {
            "model_type": "qwen3_moe",
            "hidden_size": 6144,
            "moe_intermediate_size": 2560,
            "num_experts": 160,
            "num_experts_per_tok": 8,
            "num_hidden_layers": 62,
            "num_attention_heads": 96,
            "num_key_value_heads": 8,
            "head_dim": 128,
        }
    )
)


model = dwdp.load_model(config_json, "fp8_block")


def mine(strategy, cluster="hgx_h200", draws=2, options=None):
    """One layer of that model on eight GPUs."""
    starts = dwdp.Starts(draws=draws, max_phase_s=10e-3)
    return dwdp.predict(
        model=model,
        cluster=cluster,
        strategy=strategy,
        dwdp_size=8,
        options=options,
        starts=starts,
        with_range=False,
    )


sliced = replace(dwdp.load_strategy("batched"), slice_bytes=8 * 2**20)
found = mine(sliced)
memory = found.summary.memory_bytes
print(f"{model.expert_bytes / 1e6:.1f} MB an expert")
print(f"a GPU: {memory.experts / 1e9:.0f} GB of experts, {memory.slots / 1e9:.0f} GB of slots")
print(f"{found.job.program.copy_bytes.sum() / 8e9:.2f} GB pulled a layer and rank")

# %% [markdown]
# Ranks start at random within 10 ms of each other, as they do in the middle of a forward step.
# (Within 1.6 µs, as at its start, copies of whole parameters would meet as in lock step: the
# *ring*, which begins with the peer after the rank, would look perfect.) Each strategy runs under
# every hypothesis about what nobody has measured; slices of 8 MiB keep it short.


# %%
def latencies_ms(strategy, cluster="hgx_h200", draws=2):
    """Mean latency of a layer under each set of hypotheses that it cannot tell apart."""
    shipped = dwdp.load_cluster(cluster)
    first = mine(strategy, shipped, draws)
    times_ms = {}
    for name, hypothesis in dwdp.hypotheses(shipped, program=first.job.program).items():
        machine, options = hypothesis.machine(shipped, first.job.options)
        times_ms[name] = 1e3 * mine(strategy, machine, draws, options).latency_s
    return times_ms


latencies = {
    "default": latencies_ms("default", draws=20),
    "ring": latencies_ms("ring", draws=20),
    "batched": latencies_ms(sliced),
}
bound_ms = found.bound_s * 1e3
for name, times_ms in latencies.items():
    least, most = min(times_ms, key=times_ms.get), max(times_ms, key=times_ms.get)
    print(f"{name:8}{times_ms[least]:5.1f} ms ({least}) to {times_ms[most]:.1f} ms ({most})")

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(9, 2.6))
for place, times_ms in enumerate(latencies.values()):
    axis.barh(place, times_ms["as configured"], 0.6, color="C0")
    ends = min(times_ms.values()), max(times_ms.values())
    axis.plot(ends, [place] * 2, color="black", linewidth=5, alpha=0.5)
axis.axvline(bound_ms, color="black", linestyle="--", linewidth=1, label="lower bound")
axis.plot([], [], color="black", linewidth=5, alpha=0.5, label="range over hypotheses")
axis.set_yticks(range(len(latencies)), latencies)
axis.grid(axis="y", visible=False)
axis.invert_yaxis()
axis.set(xlabel="mean prefetch latency of a rank (ms)", xlim=(0, 53))
axis.legend(loc="lower right")
plt.show()

# %% [markdown]
# ```text
# dwdp-sim -m model=hf model.config_json=config.json model.format=fp8_block \
#     dwdp.dwdp_size=8 cluster=hgx_h200 strategy=default,ring,batched \
#     workload.max_phase_s=0.01 workload.draws=2
# ```
#
# ## A cluster
#
# Every constant says where it came from, and a prediction lists the assumed ones that it used. What
# you measure replaces an assumption: here, as an example, a node on which an engine was seen to
# read three sources at once.

# %%
print("assumed:", ", ".join(found.assumed))
shipped = dwdp.load_cluster("hgx_h200")
seen = {
    "in_flight_sources": dwdp.Constant(3, "copies", "measured", "made up for this notebook"),
    "refill": dwdp.Constant("oldest", "rule", "measured", "made up for this notebook"),
}
my_node = replace(shipped, name="my_node", constants={**shipped.constants, **seen})
print("still assumed:", ", ".join(mine(sliced, my_node).assumed))
there = latencies_ms(sliced, my_node)
print(f"batched on my_node: {min(there.values()):.1f} to {max(there.values()):.1f} ms")

# %% [markdown]
# `dwdp-hw mode=calibrate check.name=my_node check.out=my_conf/cluster/my_node.yaml` fits rates,
# gaps and host costs on your GPUs and writes such a file, with intervals. Then, or with a file
# written by hand:
#
# ```text
# dwdp-sim --config-dir my_conf cluster=my_node
# ```
#
# ## A trace
#
# torch.profiler and Nsight Systems see every copy. This trace is rank 0's of a layer of
# DeepSeek-V3-Lite on two H200s: six single copies. They become a program like any other, which the
# simulator runs on the cluster.

# %%
(burst,) = dwdp_hw.read_trace("../measurements/traces/h200_x2_v3lite36_default_rank0.json")
(stream,) = burst
content = dwdp_hw.program_content([burst])


def predicted_ends_us(content):
    """When each copy of GPU 0 ends, from its first byte on."""
    file = Path(scratch.name) / "program.json"
    file.write_text(json.dumps(content))
    timeline = dwdp.replay(file, cluster="h200_x2", with_range=False).timeline
    own = timeline.program.copy_dst == 0
    return (timeline.copy_end_s[own] - timeline.copy_start_s[own].min()) * 1e6


alone_us = predicted_ends_us(content)
zero_ns = stream.copies[0].start_ns
measured_us = np.array([copy.end_ns - zero_ns for copy in stream.copies]) / 1e3
print(
    f"measured {measured_us[-1]:.0f} µs, predicted {alone_us[-1]:.0f} µs:",
    f"{alone_us[-1] / measured_us[-1] - 1:+.1%}",
)

# %% [markdown]
# That is too fast, because one rank's trace does not show what the other did: it pulled, too, and
# both directions of a GPU slow each other. With the mirrored copies of rank 1 beside them:

# %%
mirrored = json.loads(
    json.dumps(content["streams"])
    .replace("gpu0", "gpuX")
    .replace("gpu1", "gpu0")
    .replace("gpuX", "gpu1")
)
other = [{**each, "gpu": 1} for each in mirrored]
both_us = predicted_ends_us({"streams": content["streams"] + other})
print(f"predicted {both_us[-1]:.0f} µs: {both_us[-1] / measured_us[-1] - 1:+.1%}")

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(9, 3.4))
arrived_mb = np.cumsum([copy.bytes for copy in stream.copies]) / 1e6
for label, ends_us, style in (
    ("measured", measured_us, {"color": "C5", "linewidth": 6, "marker": "o", "markersize": 10}),
    ("predicted, rank 0 alone", alone_us, {"color": "C3", "linestyle": "--", "marker": "s"}),
    ("predicted, both ranks", both_us, {"color": "black", "marker": "D", "markersize": 4}),
):
    axis.plot([0, *ends_us], [0, *arrived_mb], label=label, **style)
axis.set(xlabel="time since the first byte (µs)", ylabel="arrived (MB)")
axis.legend()
plt.show()

# %% [markdown]
# ```text
# dwdp-hw mode=import 'trace=[rank0.json.gz,rank1.json.gz]' cluster=h200_x2
# ```
#
# does the same for all streams of all ranks, and writes rows that `dwdp-hw mode=validate` reads.
#
# ## Finding
#
# - A `config.json` and one word for the format are enough to compare strategies, with the memory
#   they need.
# - Which strategy is best may already be the same under every hypothesis, as here: even at its
#   worst place in the range, batched is faster than the default, and may be slower than the ring.
# - A constant that you measure narrows the range that a prediction stands beside, here from 17.7 to
#   31.6 ms down to 18.8 to 23.1 ms; what is still assumed stays in sight.
# - Give the traces of **all** ranks: contention is what the others do.


# %% tags=["hide-input"]
def ends(times_ms):
    """The range as it is printed."""
    return f"{min(times_ms.values()):.1f} {max(times_ms.values()):.1f}"


assert (ends(latencies["batched"]), ends(there)) == ("17.7 31.6", "18.8 23.1")
assert max(latencies["batched"].values()) < min(latencies["default"].values())
assert max(latencies["batched"].values()) > max(latencies["ring"].values())
assert alone_us[-1] < 0.95 * measured_us[-1]
assert abs(both_us[-1] / measured_us[-1] - 1) < 0.02
assert "torch" not in sys.modules
