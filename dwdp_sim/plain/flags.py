"""The plain flags: what each is called, what it says, and which key of Hydra's apps it sets."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.plain import values


@dataclass(frozen=True)
class Flag:
    """One flag.

    Attributes:
        name: With its dashes.
        help: What it says, in one line.
        value: What stands behind it, in capitals; empty for nothing.
        key: The key that it sets; empty where `translate` does more than that.
        read: Reads what stands behind it.
        default: What a run has without it, for the help; empty if that depends.
    """

    name: str
    help: str
    value: str = ""
    key: str = ""
    read: values.Read = values.path
    default: str = ""

    @property
    def attribute(self) -> str:
        """The name under which argparse keeps it."""
        return self.name.lstrip("-").replace("-", "_")


GPUS = Flag("--gpus", "ranks of the DWDP group, a GPU each", "N", "dwdp.dwdp_size", values.whole_number, "4")
ON = Flag("--on", "the machine", "CLUSTER", "cluster", default="gb200_nvl72")
STRATEGY = Flag("--strategy", "how experts are copied; your own as my_strategy.py:name", "NAME", default="batched")
TODAY = Flag(
    "--strategy", "what runs today, to compare with; your own as my_strategy.py:name", "NAME", default="default"
)
SLICE = Flag(
    "--slice", "largest copy, as 2MiB; whole: pulls stay whole", "SIZE", "strategy.slice_bytes", values.slice_size
)
ENGINE = Flag(
    "--engine",
    f"whose copies: {', '.join(values.ENGINES)}",
    "NAME",
    "strategy.implementation",
    values.one_of(values.ENGINES),
    values.ENGINES[0],
)
ISL = Flag("--isl", "longest input of a request, in tokens", "N", "workload.isl", values.whole_number, "8192")
TOKENS = Flag("--tokens", "most tokens of a forward step", "N", "workload.max_num_tokens", values.whole_number, "16384")
LINK_RATE = Flag("--link-rate", "of all links, as 97% for links 3 % slower", "SHARE", "cluster.link_rate", values.share)
TRTLLM = Flag("--trtllm", "TensorRT-LLM file with a dwdp_config block", "FILE", "dwdp.trtllm_yaml")
FORMAT = Flag("--format", "of the experts: nvfp4, mxfp4, fp8, bf16", "NAME", "model.format", values.weight_format)
CONFIG_DIR = Flag("--config-dir", "folder with models and clusters of your own", "FOLDER")
OUT = Flag("--out", "where files go", "FOLDER", "hydra.run.dir", default="outputs/DATE/TIME")
ROWS_OUT = Flag("--out", "where rows go; the same folder goes on", "FOLDER", "results_dir", default="results/sweep-…")
JSON = Flag("--json", "print the answer as JSON and nothing else", key="json")
WITHIN = Flag("--within", "answer in this time, as 10s", "TIME", "advise.within", values.duration)

_MODEL = (GPUS, ON)
_COPIES = (SLICE, ENGINE, ISL, TOKENS, LINK_RATE, TRTLLM, FORMAT, CONFIG_DIR)
OF_PREDICT = (*_MODEL, STRATEGY, *_COPIES, OUT, JSON)
OF_SWEEP = (*_MODEL, STRATEGY, *_COPIES, ROWS_OUT)
OF_ADVISE = (*_MODEL, TODAY, *_COPIES, OUT, JSON, WITHIN)
OF_MEASURED = (
    Flag("--on", "the machine whose constants predict", "CLUSTER", "cluster", default="h200_x2"),
    CONFIG_DIR,
    OUT,
)
