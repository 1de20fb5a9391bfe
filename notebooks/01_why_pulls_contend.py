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
# # Why pulls contend
#
# Four GPUs each hold a quarter of a layer's experts and pull the other three quarters from their
# peers. Every byte crosses one link out of its source and one link into its reader, and all links
# are equally fast. Ideally, every GPU sends and receives at full rate all the time. **Why does the
# default order take more than twice as long?**

# %%
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dwdp_sim.build import build_config
from dwdp_sim.link_use import rate_over_time
from dwdp_sim.metrics import lower_bound_s, unmeasured_rules
from dwdp_sim.presets import preset
from dwdp_sim.simulate import simulate

plt.style.use("dwdp.mplstyle")


def job(strategy, **values):
    """One MoE layer of DeepSeek-R1 (NVFP4) on a GB200 NVL72."""
    return build_config(preset(values, strategy=strategy), [])


default, batched = job("default"), job("batched")
timelines = [simulate(each.program, each.constants) for each in (default, batched)]
bound_s = lower_bound_s(batched.program, batched.constants)
bytes_pulled = batched.program.copy_bytes.sum() / 4
print(f"each rank pulls {bytes_pulled / 1e9:.2f} GB")
print(f"busiest link at its best rate (lower bound): {bound_s * 1e3:.2f} ms")
for each, timeline in zip((default, batched), timelines, strict=True):
    slowest_s = timeline.stream_elapsed_s.max()
    name = each.layer.strategy.name
    print(f"{name:8} slowest rank {slowest_s * 1e3:5.2f} ms = {slowest_s / bound_s:.2f} × that")

# %% [markdown]
# ## Watch the links
#
# Move the slider. An arrow is bytes moving from a source to a reader, its width their rate. The
# bars are what leaves each source. In the **default** order every rank pulls from peer 0 first,
# then from peer 1, and so on: three readers share one source, and three sources idle. **Batched**
# copies, in the order of TensorRT-LLM's CUDA IPC path, start at rank + 1 and take turns, so all
# four sources are busy from the first slice to the last.

# %%
PAIRS = [(source, reader) for source in range(4) for reader in range(4) if source != reader]
STEP_S = 0.25e-3
edges_s = np.arange(0, max(t.copy_end_s.max() for t in timelines) + STEP_S, STEP_S)


def pair_rates(timeline):
    """GB/s from each source to each reader in each interval, shape (pairs, intervals)."""
    src, dst = timeline.program.copy_src, timeline.program.copy_dst
    chosen = [(src == source) & (dst == reader) for source, reader in PAIRS]
    return np.array([rate_over_time(timeline, own, edges_s) for own in chosen]) / 1e9


rates = [pair_rates(timeline) for timeline in timelines]

# %% tags=["hide-input"]
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
FULL = default.constants.rates["egress"] / 1e9
CORNERS = np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]])
NAMES = [f"GPU {rank}" for rank in range(4)]


def bow(source, reader):
    """A curve from one corner to another, clear of the one back."""
    start, end = CORNERS[source], CORNERS[reader]
    along = end - start
    middle = (start + end) / 2 + 0.16 * np.array([-along[1], along[0]])
    t = np.linspace(0.16, 0.84, 16)[:, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end


BOWS = [bow(*pair) for pair in PAIRS]


def moving(rates):
    """What changes from frame to frame: bows, their heads, bars."""
    bows = [
        go.Scatter(
            x=curve[:, 0],
            y=curve[:, 1],
            mode="lines",
            line={"width": 9 * rate / FULL, "color": COLOURS[source]},
        )
        for curve, rate, (source, _) in zip(BOWS, rates, PAIRS, strict=True)
    ]
    turns = [curve[-1] - curve[-2] for curve in BOWS]
    heads = go.Scatter(
        x=[curve[-1, 0] for curve in BOWS],
        y=[curve[-1, 1] for curve in BOWS],
        mode="markers",
        marker={
            "symbol": "triangle-up",
            "size": [9 + 9 * rate / FULL if rate > 0.02 * FULL else 0 for rate in rates],
            "angle": [float(np.degrees(np.arctan2(x, y))) for x, y in turns],
            "color": [COLOURS[source] for source, _ in PAIRS],
            "opacity": 1,
        },
    )
    leaving = [
        sum(rates[i] for i, pair in enumerate(PAIRS) if pair[0] == rank) for rank in range(4)
    ]
    return [*bows, heads, go.Bar(x=NAMES, y=leaving, marker={"color": COLOURS})]


names = ("default", "batched")
figure = make_subplots(
    rows=2,
    cols=2,
    row_heights=[0.68, 0.32],
    vertical_spacing=0.06,
    subplot_titles=[
        f"{name}: {timeline.stream_elapsed_s.max() * 1e3:.1f} ms"
        for name, timeline in zip(names, timelines, strict=True)
    ],
)
for column in (1, 2):
    *picture, bars = moving(rates[column - 1][:, 0])
    for trace in picture:
        figure.add_trace(trace, row=1, col=column)
    figure.add_trace(bars, row=2, col=column)
changing = list(range(len(figure.data)))
nodes = go.Scatter(
    x=CORNERS[:, 0],
    y=CORNERS[:, 1],
    mode="markers+text",
    text=NAMES,
    textfont={"color": "white"},
    marker={"size": 48, "color": COLOURS},
)
figure.add_trace(nodes, row=1, col=1)
figure.add_trace(nodes, row=1, col=2)
figure.frames = [
    go.Frame(
        data=[trace for each in rates for trace in moving(each[:, interval])],
        traces=changing,
        name=f"{edge_s * 1e3:.2f}",
    )
    for interval, edge_s in enumerate(edges_s[:-1])
]
still = {"frame": {"duration": 0, "redraw": False}, "mode": "immediate"}
play = {"frame": {"duration": 120, "redraw": False}, "fromcurrent": True}
figure.update_layout(
    height=620,
    template="plotly_white",
    showlegend=False,
    hovermode=False,
    margin={"t": 40, "b": 20, "l": 60, "r": 20},
    sliders=[
        {
            "currentvalue": {"prefix": "time: ", "suffix": " ms"},
            "pad": {"t": 30, "l": 90},
            "steps": [
                {"label": frame.name, "method": "animate", "args": [[frame.name], still]}
                for frame in figure.frames
            ],
        }
    ],
    updatemenus=[
        {
            "type": "buttons",
            "x": 0.06,
            "y": -0.14,
            "showactive": False,
            "buttons": [{"label": "▶ play", "method": "animate", "args": [None, play]}],
        }
    ],
)
figure.update_xaxes(visible=False, range=[-1.4, 1.4], row=1)
figure.update_yaxes(visible=False, range=[-1.3, 1.3], row=1)
figure.update_yaxes(scaleanchor="x", row=1, col=1)
figure.update_yaxes(scaleanchor="x2", row=1, col=2)
figure.update_yaxes(range=[0, FULL * 1.05], row=2)
figure.update_yaxes(title="leaving it (GB/s)", row=2, col=1)
figure.show()

# %% [markdown]
# Two things add up in the default order: a source's rate is *shared* by its readers, and three
# readers at once cost a source 14 % of its rate (*incast*, measured in public on GB200). The idle
# sources cannot help.
#
# ## It grows with the group
#
# Over more ranks the default order gets worse in proportion: in lock step all N − 1 readers queue
# at one source after another. A batch's order matters, too. TensorRT-LLM's VMM path interleaves
# peers in ascending order, the same for every rank, so that readers meet more often than in the
# rotated order of its IPC path. The shaded range is what nobody has measured in public: how many
# sources a copy engine reads at once (1 to 3), and how it refills.

# %%
SIZES = [2, 3, 4, 6, 8]
CASES = {
    "default": ("default", "trtllm_ipc"),
    "batched, VMM order": ("batched", "trtllm_vmm"),
    "batched, IPC order": ("batched", "trtllm_ipc"),
}


def slowdowns(ranks, strategy, implementation):
    """Slowest rank ÷ lower bound: at two sources in flight, and under every other rule."""
    each = job(strategy, **{"dwdp.dwdp_size": ranks, "strategy.implementation": implementation})
    rules = [each.constants, *(unmeasured_rules(each) or [])]
    slowest = [simulate(each.program, rule).stream_elapsed_s.max() for rule in rules]
    return np.array(slowest) / lower_bound_s(each.program, each.constants)


found = {name: [slowdowns(ranks, *case) for ranks in SIZES] for name, case in CASES.items()}

# %% tags=["hide-input"]
figure, axis = plt.subplots()
for (name, rows), colour, marker in zip(
    found.items(), ["#D55E00", "#E69F00", "#0072B2"], "os^", strict=True
):
    axis.fill_between(
        SIZES,
        [r.min() for r in rows],
        [r.max() for r in rows],
        color=colour,
        alpha=0.25,
        linewidth=0,
    )
    axis.plot(SIZES, [r[0] for r in rows], color=colour, marker=marker, label=name)
axis.set(
    xlabel="ranks N",
    ylabel="slowest rank ÷ lower bound",
    yscale="log",
    title="One layer of DeepSeek-R1 on GB200 NVL72, all ranks starting together",
    xticks=SIZES,
)
axis.set_yticks([1, 1.5, 2, 3, 5, 10], ["1", "1.5", "2", "3", "5", "10"])
axis.minorticks_off()
axis.legend(title="shaded: unmeasured rules of the engine")
plt.show()

# %% [markdown]
# ## Drift helps, a little
#
# Nothing keeps DWDP's ranks in step: there is no collective to meet at. Here each rank starts at a
# random moment within a span, from hardly any to several times the pull itself; each point is one
# rank of one of 16 draws.

# %%
SPANS_S = [0.5e-3, 2e-3, 6e-3, 12e-3, 24e-3]


def latencies(strategy, span_s):
    """Milliseconds of each rank in eight draws."""
    values = {"workload.start": "random", "workload.max_phase_s": span_s}
    if strategy == "batched":
        values["strategy.slice_bytes"] = (
            "16MiB"  # fewer events than 2 MiB, and the same means within 1 %
        )
    jobs = [job(strategy, seed=seed, **values) for seed in range(8)]
    return 1e3 * np.concatenate(
        [simulate(each.program, each.constants).stream_elapsed_s for each in jobs]
    )


drifting = {
    name: [latencies(name, span_s) for span_s in SPANS_S] for name in ("default", "batched")
}

# %% tags=["hide-input"]
figure, axis = plt.subplots()
for (name, columns), colour, shift in zip(
    drifting.items(), ["#D55E00", "#0072B2"], [-0.17, 0.17], strict=True
):
    random = np.random.default_rng(0)
    for place, column in enumerate(columns):
        spread = random.uniform(-0.1, 0.1, len(column))
        axis.plot(place + shift + spread, column, ".", color=colour, alpha=0.45, markersize=5)
    means = [column.mean() for column in columns]
    places = np.arange(len(columns)) + shift
    axis.plot(places, means, "_", color="black", markersize=26, markeredgewidth=1.6)
    axis.plot([], [], "o", color=colour, label=name)
axis.axhline(
    bound_s * 1e3, color="black", linewidth=0.8, linestyle="--", label="lower bound in lock step"
)
axis.plot([], [], "_", color="black", markersize=14, label="mean")
axis.set(
    xlabel="ranks start at random within (ms)",
    ylabel="prefetch latency of a rank (ms)",
    title="DeepSeek-R1, N = 4, GB200 NVL72",
    ylim=(0, None),
)
axis.set_xticks(range(len(SPANS_S)), [f"{span_s * 1e3:g}" for span_s in SPANS_S])
axis.legend(ncols=4, loc="lower left")
plt.show()
for name, columns in drifting.items():
    print(
        f"{name:8} mean latency by span:",
        ", ".join(f"{column.mean():.1f}" for column in columns),
        "ms",
    )

# %% [markdown]
# Out of step, the default order meets fewer readers at once and gains; batching, whose permutation
# only fits ranks in lock step, first loses a little and then gains, too. Far apart, a pull is
# alone: a batch then beats the dashed line, since one reader can take more from several sources
# than any single source can give.
#
# ## Finding
#
# - Pulls contend because several readers want one source while others idle, not for want of links.
#   The default order makes them meet: 2.2 times the lower bound at N = 4 in lock step, 4.7 times at
#   N = 8.
# - Interleaving slices over *rotated* peers keeps every source busy, at 1.0 to 1.2 times the bound
#   for any N; without the rotation (VMM order) it is up to 1.7 times at N = 4 and 2.0 at N = 8.
# - Drift takes a quarter off the default order's mean, but it stays about 30 % above batching's and
#   scatters by a factor of two.
# - None of this has been measured for three GPUs or more; two GPUs cannot contend. Rates are public
#   GB200 figures, the gaps between copies are those of an H200.

# %% tags=["hide-input"]
largest = {name: [rows.max() for rows in of_sizes] for name, of_sizes in found.items()}
four, eight = SIZES.index(4), SIZES.index(8)
assert 2.2 < largest["default"][four] < 2.3
assert 4.6 < largest["default"][eight] < 4.8
assert max(largest["batched, IPC order"]) < 1.2
assert 1.6 < largest["batched, VMM order"][four] < 1.8
assert 1.9 < largest["batched, VMM order"][eight] < 2.1
