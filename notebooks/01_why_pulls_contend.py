# ---
# jupyter:
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
# default order take more than half as long again, and what of that do batched copies mend?**

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

import dwdp_sim as dwdp

plt.style.use("dwdp.mplstyle")
SHIPPED, OPTIONS = dwdp.load_cluster("gb200_nvl72"), dwdp.FabricOptions()
HYPOTHESES = dwdp.hypotheses(SHIPPED, OPTIONS)


def layer(strategy, cluster=SHIPPED, **asked):
    """One MoE layer of DeepSeek-R1 (NVFP4) on a GB200 NVL72."""
    return dwdp.predict(cluster=cluster, strategy=strategy, with_range=False, **asked)


five = dwdp.Starts(draws=5)
default, batched = (layer(name, starts=five) for name in ("default", "batched"))
bound_s = batched.bound_s
print(f"each rank pulls {batched.job.program.copy_bytes.sum() / 4e9:.2f} GB")
print(f"busiest link at its best rate (lower bound): {bound_s * 1e3:.2f} ms")
latency_s = [each.summary.prefetch_latency_s for each in (default, batched)]
typical = [each.mean / bound_s for each in latency_s]
slowest = [each.max / bound_s for each in latency_s]
for name, mean, most in zip(("default", "batched"), typical, slowest, strict=True):
    print(f"{name}: {mean:.2f} × that in the mean, {most:.2f} × for the slowest rank")

# %% [markdown]
# The four ranks do not start at the same instant: their clocks are drawn within 1.6 µs of each
# other, as far apart as two H200s were measured to start. Two sources in flight are assumed so far;
# what else may be true comes below.
#
# ## Watch the links
#
# Move the slider. An arrow is bytes moving from a source to a reader, its width their rate. The
# bars are what leaves each source. In the **default** order the peers come one after another,
# lowest first: three readers share GPU 0 while two sources idle, then GPU 1, and so on. **Batched**
# copies, in the order of TensorRT-LLM's CUDA IPC path, start at rank + 1 and take turns: all four
# sources are busy, though none at its full rate all the time. This is the typical one of five
# draws.

# %%
PAIRS = [(source, reader) for source in range(4) for reader in range(4) if source != reader]
STEP_S = 0.25e-3
timelines = [each.timeline for each in (default, batched)]
edges_s = np.arange(0, max(t.copy_end_s.max() for t in timelines) + STEP_S, STEP_S)

# GB/s from each source to each reader in each interval, shape (pairs, intervals)
rates = [each.rates(edges_s)[PAIRS].to_numpy().T / 1e9 for each in (default, batched)]

# %% tags=["hide-input"]
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
FULL = default.job.constants.rates["egress"] / 1e9
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
        f"{name}: {timeline.stream_elapsed_s.mean() * 1e3:.1f} ms in the mean"
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
# A source's rate is *shared* by its readers, and what the idle sources could give is lost. That is
# all: several readers at once are assumed to cost a source nothing beyond the sharing. (A public
# benchmark prints 0.858 of a pair for three readers; that is how it takes its time, [not what the
# links do](../docs/nvbandwidth.md).)
#
# ## Lock step is a singular case
#
# The rotated order is a perfect permutation: in lock step no two ranks ever want the same source.
# How much of that is left when they start apart? Here all starts are drawn within a span, from
# exact lock step to several times the pull. Nobody has measured in public how a copy engine walks a
# batch of three sources, so there are several answers: it may have one, two or all sources in
# flight, or request the batch in order, so many bytes ahead.

# %%
SPANS_S = {
    "lock step": 0,
    "1 ns": 1e-9,
    "1.6 µs": 1.6e-6,
    "1 ms": 1e-3,
    "6 ms": 6e-3,
    "24 ms": 24e-3,
}
WALKS = {
    "1 source; fair": ("1 source", "C1", "s"),
    "256 KiB ahead; fair": ("256 KiB ahead", "C4", "v"),
    "as configured": ("2 sources", "C0", "o"),
    "all sources; fair": ("all sources", "C2", "^"),
}


def latencies(strategy, span_s, name, draws):
    """Mean latency over the lower bound in each draw."""
    starts = dwdp.Starts(draws=1, max_phase_s=span_s) if span_s else dwdp.Starts("lockstep")
    machine, options = HYPOTHESES[name].machine(SHIPPED, OPTIONS)
    asked = {"cluster": machine, "options": options, "starts": starts}
    runs = [layer(strategy, **asked, seed=seed) for seed in range(draws if span_s else 1)]
    return np.array([run.latency_s for run in runs]) / bound_s


by_span = {
    name: [latencies("batched", span_s, name, 3) for span_s in SPANS_S.values()] for name in WALKS
}
of_default = [latencies("default", span_s, "as configured", 40) for span_s in SPANS_S.values()]

# %% tags=["hide-input"]
figure, axis = plt.subplots()
places = np.arange(len(SPANS_S))
for name, (label, colour, marker) in WALKS.items():
    means = [draws.mean() for draws in by_span[name]]
    axis.plot(places, means, color=colour, marker=marker, label=f"batched, {label}")
    for place, draws in zip(places, by_span[name], strict=True):
        axis.plot([place] * len(draws), draws, ".", color=colour, markersize=5, alpha=0.6)
axis.plot(
    places,
    [draws.mean() for draws in of_default],
    color="C3",
    marker="D",
    linestyle="--",
    label="default, any of them",
)
axis.set_xticks(places, SPANS_S)
axis.set(
    xlabel="starts are drawn within",
    ylabel="mean latency ÷ lower bound",
    title="One layer of DeepSeek-R1, N = 4, GB200 NVL72; dots are draws",
    ylim=(0.9, 2.1),
)
axis.legend(ncols=3, loc="upper center")
plt.show()
for name, rows in [*by_span.items(), ("default", of_default)]:
    print(
        f"{name:20}",
        "  ".join(f"{span} {x.mean():.2f}" for span, x in zip(SPANS_S, rows, strict=True)),
    )

# %% [markdown]
# In lock step every rule gives the same 1.01 times the bound, and the answer holds for that instant
# only. **One nanosecond** is enough to change it: under two sources in flight it is 1.14 then, and
# at 1.6 µs, which is what real ranks do, 1.15; with one source in flight 1.60, nearly the 1.69 of
# the default copies. Only an engine that has all three sources in flight keeps the lock step's
# answer. A comparison of strategies in lock step compares permutations, not copies, which is why
# this project draws starts unless lock step is asked for by name (`workload.start=lockstep`).
#
# Far apart, a pull is mostly alone: two sources in flight then reach the bound, and the default
# copies come within a fifth of it.
#
# ## It grows with the group
#
# Over more ranks the default order gets worse in proportion: N − 1 readers queue at one source
# after another. The shaded range is everything that may be true of a copy engine and has not been
# measured: all walks, fair or equal shares, losses of several readers and of both directions. Ranks
# start within 1 ms of each other here, as they do in the middle of a forward step; slices are of 32
# MiB and windows of bytes as much larger, which moves the means by a few percent.

# %%
SIZES = [2, 4, 6, 8]


def slowdowns(ranks, strategy, draws=2):
    """Mean latency over the lower bound, by the first of the hypotheses that are all alike here."""
    chosen = dwdp.load_strategy(strategy)
    if strategy == "batched":
        chosen = replace(chosen, slice_bytes=32 * 2**20)
    asked = {"dwdp_size": ranks, "starts": dwdp.Starts(draws=1, max_phase_s=1e-3)}
    first = layer(chosen, **asked)
    found = {}
    for name in dwdp.hypotheses(SHIPPED, OPTIONS, program=first.job.program):
        machine, options = HYPOTHESES[name].machine(SHIPPED, OPTIONS)
        if strategy == "batched":
            ahead = machine.size("in_flight_bytes")
            machine = machine.with_values({"in_flight_bytes": 16 * ahead})
        asked |= {"cluster": machine, "options": options}
        times_s = [layer(chosen, **asked, seed=seed).latency_s for seed in range(draws)]
        found[name] = np.mean(times_s) / first.bound_s
    return found


grown = {
    "default": [slowdowns(ranks, "default", draws=20) for ranks in SIZES],
    "batched": [slowdowns(ranks, "batched") for ranks in SIZES],
}

# %% tags=["hide-input"]
figure, axis = plt.subplots()
for (name, rows), colour, marker in zip(grown.items(), ["C3", "C0"], "Do", strict=True):
    low, high = (
        [min(row.values()) for row in rows],
        [max(row.values()) for row in rows],
    )
    axis.fill_between(SIZES, low, high, color=colour, alpha=0.25, linewidth=0)
    configured = [row["as configured"] for row in rows]
    axis.plot(SIZES, configured, color=colour, marker=marker, label=f"{name}, 2 sources")
axis.set(
    xlabel="ranks N",
    ylabel="mean latency ÷ lower bound",
    title="One layer of DeepSeek-R1 on GB200 NVL72, starts within 1 ms",
    xticks=SIZES,
    ylim=(0.8, None),
)
axis.legend(title="shaded: every hypothesis", loc="upper left")
plt.show()
for name, rows in grown.items():
    for ranks, row in zip(SIZES, rows, strict=True):
        least, most = min(row, key=row.get), max(row, key=row.get)
        print(f"{name}, N = {ranks}: {row[least]:.2f} ({least}) to {row[most]:.2f} ({most})")

# %% [markdown]
# ## Finding
#
# Under **every** hypothesis:
#
# - Pulls contend because several readers want one source while others idle, not for want of links.
#   A copy of a whole parameter has one source, so the default order takes 1.6 to 1.7 times the
#   bound at N = 4 and 2.5 to 2.7 times at N = 8 whatever an engine does with a batch.
# - Batched copies take no longer: 1.0 to 1.6 times the bound at N = 4, 1.0 to 1.8 times at N = 8.
#   There the default copies take at least 40 % longer than they do.
#
# Under **some**:
#
# - With three sources in flight at N = 4, or a window of 4 MiB over slices of 2 MiB, batched copies
#   reach the bound. With one source, or a window of 256 KiB and equal shares, they hardly mend
#   anything: the default copies take only 3 to 4 % longer.
#
# Under **none**: what lock step says.
#
# Nothing of this has been measured for three GPUs or more, and two cannot contend. Rates are public
# GB200 figures, the gaps between copies those of an H200. A layer is not a forward step: what a
# prefetch costs there, and when that matters, is [another
# question](04_when_contention_opt_pays.py).

# %% tags=["hide-input"]
assert [f"{ratio:.2f}" for ratio in typical] == ["1.69", "1.15"]
said = {
    "1 source; fair": "1.01 1.04 1.60 1.58 1.44 1.16",
    "256 KiB ahead; fair": "1.01 1.04 1.26 1.31 1.33 1.11",
    "as configured": "1.01 1.14 1.15 1.14 1.07 1.01",
    "all sources; fair": "1.01 1.01 1.01 1.01 1.01 1.00",
}
assert {name: " ".join(f"{x.mean():.2f}" for x in rows) for name, rows in by_span.items()} == said
assert " ".join(f"{x.mean():.2f}" for x in of_default) == "1.69 1.69 1.69 1.63 1.55 1.19"
spreads = {
    (name, ranks): f"{min(row.values()):.1f} {max(row.values()):.1f}"
    for name, rows in grown.items()
    for ranks, row in zip(SIZES, rows, strict=True)
}
assert (spreads["default", 4], spreads["default", 8]) == ("1.6 1.7", "2.5 2.7")
assert (spreads["batched", 4], spreads["batched", 8]) == ("1.0 1.6", "1.0 1.8")
gains = [
    {name: row[0].get(name, row[0]["as configured"]) / time for name, time in row[1].items()}
    for row in zip(*grown.values(), strict=True)
]
assert f"{min(gains[SIZES.index(4)].values()):.2f}" == "1.03"
assert f"{min(gains[SIZES.index(8)].values()):.2f}" == "1.41"
assert min(min(row.values()) for row in gains) > 1
reaching = [name for name, ratio in grown["batched"][SIZES.index(4)].items() if ratio < 1.01]
assert {"3 sources, oldest; fair", "all sources; fair", "4 MiB ahead; equal"} <= set(reaching)
