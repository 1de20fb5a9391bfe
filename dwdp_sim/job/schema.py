"""The configuration tree: one dataclass a group, with every key's meaning and unit. YAML in `conf/` fills it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from dwdp_sim.fabric.constant import ConstantConfig
from dwdp_sim.model.moe import KINDS
from dwdp_sim.plan.kinds import DEFAULT
from dwdp_sim.steps.compute import ComputeConfig


@dataclass
class AttentionConfig:
    """A model's attention; unset values are 0. See `attention.Attention`."""

    kind: str | None = None
    """mla or gqa; unset: the model has no attention here, and no roofline."""
    num_heads: int | None = None
    """Query heads."""
    format: str | None = None
    """Format of its weights; unset: bf16."""
    num_kv_heads: int | None = None
    """Key and value heads (gqa); as many as query heads make it multi-head attention."""
    head_dim: int | None = None
    """Width of a head (gqa)."""
    q_lora_rank: int | None = None
    """Rank of the compressed queries (mla); 0: queries are projected directly."""
    kv_lora_rank: int | None = None
    """Rank of the compressed keys and values (mla)."""
    qk_nope_head_dim: int | None = None
    """Width of a head's query and key without position (mla)."""
    qk_rope_head_dim: int | None = None
    """Width with rotary position (mla)."""
    v_head_dim: int | None = None
    """Width of a head's value (mla)."""
    sliding_window: int | None = None
    """Keys that a query of a windowed layer sees; 0: no windows."""
    full_attention_every: int | None = None
    """Where layers have windows: one of so many layers has none and sees all keys; 0: none does."""


@dataclass
class ModelConfig:
    """A MoE model's shape; `model=hf` takes it from a file."""

    name: str | None = None
    """Name shown in results."""
    hidden_size: int | None = None
    """Model width H."""
    intermediate_size: int | None = None
    """Width I of one routed expert."""
    num_experts: int | None = None
    """Routed experts E of a MoE layer."""
    top_k: int | None = None
    """Experts a token is routed to."""
    num_layers: int | None = None
    """Transformer layers."""
    num_moe_layers: int | None = None
    """Layers with routed experts."""
    format: str | None = None
    """nvfp4, mxfp4, fp8_block or bf16."""
    expert_bias: bool = False
    """Whether experts have biases."""
    include: list[str] = field(default_factory=lambda: list(KINDS))
    """Kinds of parameters that count: weight, scale, alpha, bias."""
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    """For compute windows from a roofline."""
    dense_intermediate_size: int = 0
    """Width of the feed-forward block in layers without experts."""
    shared_intermediate_size: int = 0
    """Width of a layer's shared experts together; 0: none."""
    config_json: str | None = None
    """Path of a Hugging Face config.json (`model=hf`)."""


@dataclass
class ClusterConfig:
    """A machine; see `cluster.Cluster`."""

    name: str = ""
    """Name shown in results."""
    description: str = ""
    """One line for people."""
    gpu: str = ""
    """Kind of its GPUs, so that compute for another kind is refused; empty: not said."""
    num_gpus: int = 0
    """GPUs that can pull from one another."""
    mapping: str = "ipc"
    """ipc, vmm_fd or vmm_fabric: how peer memory is mapped."""
    home: str = "peer"
    """peer, host or local: where the peers' experts are."""
    link_rate: float = 1.0
    """Rates of all links as a share of the constants': 0.97 for NVLink that is 3 % slower."""
    constants: dict[str, ConstantConfig] = field(default_factory=dict)
    """Constants of the contention model by name; see `fabric_constants.FabricConstants`."""
    fitted_on: list[dict[str, str]] = field(default_factory=list)
    """Recorded rows that constants were fitted on: file, sha256, use (all or design), and the bundle they are from."""


@dataclass
class StrategyConfig:
    """How a layer is pulled; see `dwdp_sim.plan.strategy.Strategy`."""

    name: str = DEFAULT.name
    """default, batched, ring, batched_per_round or waves (`dwdp_sim.plan.kinds`); custom: the one that path names."""
    path: str | None = None
    """A strategy of your own: a Python file and the name of a StrategyKind in it, as my_strategy.py:name."""
    implementation: str = "trtllm_ipc"
    """trtllm_ipc, trtllm_vmm or sglang: whose copies and whose order."""
    slice_bytes: Any = None
    """Largest copy: bytes, a size such as 2MiB, or null for whole pulls."""
    wave_copies: int = 8
    """Copies of a wave (waves)."""
    call_rounds: int = 1
    """Peers that one call pulls from (batched_per_round)."""
    barrier: str = "none"
    """none or group (waves, batched_per_round)."""


@dataclass
class WorkloadConfig:
    """What is run."""

    kind: str = "layer"
    """layer, iteration, replay or published."""
    start: str = "random"
    """When the ranks start: random (each at random within max_phase_s), offsets, lockstep (a singular case: starts a
    microsecond apart can make it half as long again), or file (workload=replay: as the program says)."""
    offsets_s: list[float] = field(default_factory=list)
    """Start of each rank in seconds (start=offsets)."""
    max_phase_s: float = 1.6e-6
    """Ranks start at random within this many seconds (start=random of a layer or replay); 1.6 µs is the most that was
    measured between ranks released by one gate (two H200s)."""
    draws: int = 8
    """Starts that are drawn: the prediction is the mean over them, beside how far single runs lie apart."""
    range: bool = True
    """Also run every hypothesis about what nobody has measured (`hypotheses.hypotheses`)."""
    file: str | None = None
    """Program to run (workload=replay)."""
    isl: int = 8192
    """Longest input of a request in tokens (this and all below: workload=iteration)."""
    ratio: float = 1.0
    """Shortest input as a share of isl; lengths are uniform in between."""
    max_num_tokens: int = 16384
    """Most new tokens of a forward step; longer inputs are cut into chunks."""
    lengths: str | None = None
    """File of input lengths (a JSON list, or one number a line), instead of isl and ratio."""
    iterations: int = 2
    """Forward steps of each rank that count."""
    warmup: int = 1
    """Forward steps before them that do not."""
    replications: int = 3
    """Seeds: seed, seed + 1, …"""
    target: float | None = None
    """Stop once the iteration time is known this well: half width of its 95 % interval ÷ mean."""
    slots: int = 2
    """Buffers for prefetched layers: with two, one layer is computed while the next is copied."""
    launch_s: float = 0.0
    """Host seconds to launch one layer's kernels (issue_mode=as_issued)."""
    ahead: bool = True
    """Whether the host may be one step ahead of the GPU."""
    carry_over: bool = False
    """Prefetch the next step's first layers as soon as slots are free, instead of when it begins."""
    background_bytes_per_token: float = 0.0
    """Bytes that another GPU pulls from each rank after a step, for each of its tokens (KV cache)."""


@dataclass
class DwdpConfig:
    """The DWDP group, under TensorRT-LLM's names."""

    dwdp_size: int = 4
    """Ranks N in the group."""
    num_experts_per_worker: int | None = None
    """Experts L that a rank holds; unset: E - (N - 1)·P."""
    num_prefetch_experts: int | None = None
    """Experts P that a rank pulls from each peer; unset: E // N."""
    trtllm_yaml: str | None = None
    """A TensorRT-LLM YAML whose dwdp_config block is used."""


@dataclass
class FabricConfig:
    """Alternatives of the contention model; see `options.FabricOptions`."""

    sharing: str = "fair"
    """fair (max-min), equal (one engine's copies are equally fast) or fifo (a source serves one copy at a time)."""
    incast: str = "always"
    """always, demand or off: when several readers cost a source part of its rate."""
    both_ways: bool = True
    """Whether a GPU's two directions disturb each other."""
    batch_order: str = "kept"
    """kept, swapped or random: order of the copies inside a batch."""
    measured: list[str] = field(default_factory=list)
    """Options of this group that were measured on this machine ([sharing]): the range over hypotheses keeps them."""


@dataclass
class SweepConfig:
    """How the jobs of a sweep are run; changes no result."""

    workers: int | None = None
    """Workers that share the jobs; unset: one under the basic launcher, else one a CPU core of this machine."""
    attempts: int = 3
    """How often a job may lose its worker before it counts as failed."""
    quiet: bool = False
    """Print nothing but failures."""


@dataclass
class LimitsConfig:
    """What a run may take by an estimate that is made before it starts; changes no result."""

    memory: Any = "16GB"
    """Memory in bytes, or a size such as 64GB."""
    time_s: float = 3600.0
    """Time in seconds."""


@dataclass
class SimConfig:
    """Everything `dwdp-sim` reads."""

    model: ModelConfig = field(default_factory=ModelConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    strategy: StrategyConfig = field(default_factory=StrategyConfig)
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    dwdp: DwdpConfig = field(default_factory=DwdpConfig)
    fabric: FabricConfig = field(default_factory=FabricConfig)
    issue_mode: str = "queued"
    """queued (all calls are complete when the clock starts) or as_issued (the host begins then)."""
    workers: int | None = None
    """Threads for simulations (processes where SimPy runs steps); unset: one a core. Results do not depend on it."""
    engine: str = "auto"
    """simpy, compiled, or auto (compiled where it can and is worth loading). Results do not depend on it."""
    seed: int = 0
    """Seed of everything random."""
    json: bool = False
    """Print what a program can read, the content of summary.json (of advice.json by dwdp-advise), and nothing else."""
    results_dir: str | None = None
    """Folder for the rows of a sweep (-m); null: no rows, but a folder with pictures for each run."""
    sweep: SweepConfig = field(default_factory=SweepConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)


def register_schemas() -> None:
    """Make the schema known to Hydra under the name that `conf/config.yaml` lists first."""
    ConfigStore.instance().store(name="sim_schema", node=SimConfig)
