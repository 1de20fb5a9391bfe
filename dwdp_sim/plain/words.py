"""The words of `dwdp`: what each is for, its examples, and which program answers."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_sim.plain import flags
from dwdp_sim.plain.flags import Flag

PREDICT, ADVISE, SWEEP, NODE, VALIDATE = "predict", "advise", "sweep", "node", "validate"
CHECK, RECORD, REPORT, QUERY, IMPORT = "check", "record", "report", "query", "import"
VERSION, COMPLETION = "version", "completion"


@dataclass(frozen=True)
class Word:
    """One word.

    Attributes:
        name: The word.
        line: What it is for, in one line.
        takes: What stands behind it.
        examples: Three command lines and what each does.
        program: Which program answers, and how its command line begins.
        flags: Its plain flags.
        more: Where everything else is said.
    """

    name: str
    line: str
    takes: str
    examples: tuple[tuple[str, str], ...]
    program: str
    flags: tuple[Flag, ...] = ()
    more: str = ""

    @property
    def takes_models(self) -> bool:
        """Whether a model stands behind it."""
        return self.takes.startswith("[MODEL")


_KEYS = "Everything else is said as key=value; {} --help lists all keys, docs/commands.md explains flags and models."
WORDS = (
    Word(
        PREDICT,
        "how long the prefetch of a layer takes, or a whole forward step (--isl, --tokens)",
        "[MODEL] [flags] [key=value …]",
        (
            ("dwdp predict", "DeepSeek-R1 on four GPUs of a GB200 NVL72"),
            ("dwdp predict config.json --gpus 8 --on dgx_b200 --format nvfp4", "a model of your own"),
            ("dwdp predict openai/gpt-oss-120b --on hgx_h200 --tokens 8192", "whole forward steps"),
        ),
        "dwdp-sim",
        flags.OF_PREDICT,
        _KEYS.format("dwdp-sim"),
    ),
    Word(
        ADVISE,
        "which copies to choose, how sure that is, and what would change it",
        "[MODEL] [flags] [key=value …]",
        (
            ("dwdp advise openai/gpt-oss-120b --gpus 8 --on hgx_h200 --isl 4096", "is contention_opt worth it?"),
            ("dwdp advise deepseek-ai/DeepSeek-R1 --trtllm extra.yaml", "what runs today, from a TensorRT-LLM file"),
            ("dwdp advise kimi_k2_nvfp4 --within 10s", "an answer in ten seconds"),
        ),
        "dwdp-advise",
        flags.OF_ADVISE,
        _KEYS.format("dwdp-advise"),
    ),
    Word(
        SWEEP,
        "the same over lists of values: rows for pandas, SQL and a report",
        "[MODEL,…] [flags with lists] [key=value,… …]",
        (
            ("dwdp sweep --slice 512KiB,1MiB,2MiB,4MiB,8MiB", "over slice sizes"),
            ("dwdp sweep qwen3_235b_nvfp4 --on dgx_b200 --gpus 2,4,8 --tokens 4096,8192", "forward steps"),
            ("dwdp sweep +experiment=slices", "one of the experiments of docs/sweeps.md"),
        ),
        "dwdp-sim -m",
        flags.OF_SWEEP,
        _KEYS.format("dwdp-sim"),
    ),
    Word(
        NODE,
        "is this machine healthy, is it predicted, and what should be set on it?",
        "[flags]",
        (
            ("dwdp node", "everything, on all GPUs of this machine"),
            ("dwdp node --model deepseek_r1_fp8 --isl 8192", "with advice for this model"),
            ("dwdp node --only health,rates", "some parts"),
        ),
        "dwdp-hw node",
        (
            Flag("--out", "where page and files go", "FOLDER", default="outputs/node"),
            Flag("--model", "a preset to advise on, or its id; may be given again", "NAME"),
            Flag("--isl", "longest input of its requests, in tokens", "N"),
            Flag("--cluster", "where calibration starts", "NAME"),
            Flag("--only", "health, incast, calibrate, rates, validate, advise, bundle", "PART,…"),
        ),
        "docs/node.md explains it.",
    ),
    Word(
        VALIDATE,
        "do predictions hold? measure now, or compare with files of rows",
        "[ROWS …] [flags] [key=value …]",
        (
            ("dwdp validate --on h200_x2", "predict, then measure on this machine's GPUs, then compare"),
            ("dwdp validate rows.json --on dgx_h100", "against recorded rows; needs no GPU"),
            ("dwdp validate rows.json check.p95=0.1", "with a bar of your own"),
        ),
        "dwdp-hw mode=validate",
        flags.OF_MEASURED,
        _KEYS.format("dwdp-hw"),
    ),
    Word(
        CHECK,
        "does what somebody's bundle claims follow from its rows?",
        "BUNDLE [flags]",
        (
            ("dwdp check node.zip", "everything, constants fitted again"),
            ("dwdp check node.zip --no-refit", "without fitting"),
            ("dwdp check node.zip --report report.html", "and write the page on its rows"),
        ),
        "dwdp-hw check",
        (
            Flag("--no-refit", "do not fit its constants again"),
            Flag("--report", "write the page on its rows", "FILE"),
        ),
        "docs/checking.md explains bundles.",
    ),
    Word(
        RECORD,
        "run an engine and write down the copies that it really issues",
        "[flags] -- COMMAND …",
        (
            ("dwdp record -- python serve.py --port 8000", "then: dwdp import outputs/DATE/TIME"),
            ("dwdp record --out records -- python serve.py", "into a folder of your choice"),
            ("dwdp record --profile-after 30 --profile-for 5 -- python serve.py", "with times of the GPU"),
        ),
        "python -m dwdp_hw.record",
        (
            Flag("--out", "where records go", "FOLDER", default="outputs/DATE/TIME"),
            Flag("--profile-for", "seconds for which torch's profiler records device times", "S"),
            Flag("--profile-after", "seconds from a process's first copy until then", "S", default="10"),
        ),
        "docs/record.md explains it.",
    ),
    Word(
        REPORT,
        "one page on the rows of a sweep, or what moved between two of anything",
        "FOLDER [flags] | diff FIRST SECOND | compact FOLDER",
        (
            ("dwdp report results/slices", "results/slices/report.html, which needs no network"),
            ("dwdp report results/slices --out slices.html", "elsewhere"),
            ("dwdp report diff gb200_nvl72 dgx_b200", "two clusters, runs, folders, files of rows or bundles"),
        ),
        "dwdp-report",
        (
            Flag("--out", "the page", "FILE", default="report.html in the folder"),
            Flag("--measured", "validation.json of a validation, or its folder", "FILE …"),
            Flag("--runs", "single runs to link", "FOLDER …"),
        ),
        "dwdp-report --help lists all of its commands; docs/sweeps.md explains them.",
    ),
    Word(
        QUERY,
        "ask the rows of a sweep in SQL",
        "SQL FOLDER … [--csv]",
        (
            ('dwdp query "select strategy, prefetch_latency_mean_s from jobs" results/slices', "a row a job"),
            ('dwdp query "describe jobs" results/slices', "which columns there are"),
            ('dwdp query "select * from rows" results/slices --csv', "a row a rank, comma-separated"),
        ),
        "dwdp-report query",
        (Flag("--csv", "comma-separated on a terminal, too"),),
        "docs/data_dictionary.md explains every column; Python: dwdp_sim.load_results(FOLDER).",
    ),
    Word(
        IMPORT,
        "does my own run do what I think? from a profiler's trace or recorded copies",
        "TRACE [flags] [key=value …]",
        (
            ("dwdp import run.sqlite --on h200_x2", "from Nsight Systems"),
            ("dwdp import trace.json.gz --on hgx_h200", "from torch.profiler"),
            ("dwdp import records", "from dwdp record: which plan they are"),
        ),
        "dwdp-hw mode=import",
        flags.OF_MEASURED,
        "docs/traces.md explains traces, docs/commands.md flags; dwdp-hw --help lists the keys, said as key=value.",
    ),
    Word(
        VERSION,
        "versions, and whether there is a compiled engine and a GPU",
        "",
        (
            ("dwdp version", "what is installed here"),
            ("dwdp --version", "the same"),
            ("dwdp version > version.txt", "for a report of a fault"),
        ),
        "",
    ),
    Word(
        COMPLETION,
        "a script that lets a shell complete words, flags, models and clusters",
        "bash | zsh | fish",
        (
            ('eval "$(dwdp completion bash)"', "in ~/.bashrc"),
            ('eval "$(dwdp completion zsh)"', "in ~/.zshrc, behind compinit"),
            ("dwdp completion fish | source", "in ~/.config/fish/config.fish"),
        ),
        "",
    ),
)
"""In the order of the help."""
BY_NAME = {word.name: word for word in WORDS}
