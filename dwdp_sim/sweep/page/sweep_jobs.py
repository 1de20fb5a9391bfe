"""Read a results folder as one line for each job: parameters, figures, and means over ranks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.plan.kinds import STRATEGIES
from dwdp_sim.plan.strategy import READABLE
from dwdp_sim.sweep.columns import RANK_METRICS
from dwdp_sim.sweep.compact import read_configs
from dwdp_sim.sweep.query import connect
from dwdp_sim.sweep.results_folder import Folder

PARTS = ("host_s", "gap_s", "transfer_s", "contention_s")  # of a rank's prefetch latency

# Parameters that a job reads only under certain values of another one, such as `max_phase_s` only if `start` is random.
# Jobs of other values are the same whatever the parameter says, and are shown as one.
USED_UNDER = {
    **{key: ("strategy", tuple(name for name, kind in STRATEGIES.items() if key in kind.reads)) for key in READABLE},
    "max_phase_s": ("start", ("random",)),
    "draws": ("start", ("random",)),
    "in_flight_bytes": ("refill", ("bytes",)),
    **dict.fromkeys(
        ("compute", "isl", "ratio", "max_num_tokens", "slots", "launch_s", "carry_over"), ("workload", ("iteration",))
    ),
}


@dataclass(frozen=True)
class SweepJobs:
    """The newest rows of a results folder.

    Attributes:
        path: The folder.
        finished: One line a job that finished: columns of docs/data_dictionary.md without the rank's; instead the means
            over ranks of the parts of the latency, `over_bound`, `slowest_over_bound`, `slowest_stream_s`,
            `step_bubble_share`, `dep_gain_low` and `dep_gain_high`. Index 0, 1, …
        failed: One line a job that failed.
        ranks: One line a rank of a finished job, with `line`, the job's index in `finished`.
    """

    path: Path
    finished: pd.DataFrame
    failed: pd.DataFrame
    ranks: pd.DataFrame

    def configs(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The index and the filled-in configuration of every finished job, in any order."""
        lines = {job: line for line, job in enumerate(self.finished["job"])}
        for job, text in read_configs(Folder(self.path)):
            if job in lines:
                yield lines.pop(job), _config(job, text)

    def config(self, line: int) -> dict[str, Any]:
        """The filled-in configuration of one finished job."""
        wanted = self.finished["job"].iloc[line]
        return next((_config(job, text) for job, text in read_configs(Folder(self.path)) if job == wanted), {})


def read_jobs(path: Path) -> SweepJobs:
    """Read a results folder.

    Raises:
        ConfigError: It is no results folder, it has no rows, or a file is damaged.
    """
    connection = connect(path, configs=False)
    jobs = connection.sql("select * from jobs order by job").to_arrow_table().to_pandas()
    if jobs.empty:
        raise ConfigError("results", path, "no job has finished or failed yet")
    finished = jobs[jobs["status"] == "ok"].reset_index(drop=True)
    failed = jobs[jobs["status"] != "ok"].reset_index(drop=True)
    names = ", ".join(column.name for column in RANK_METRICS)
    ranks = (
        connection.sql(f"select job, {names} from rows where rank is not null order by job, rank")  # noqa: S608  # our own names
        .to_arrow_table()
        .to_pandas()
    )
    ranks["line"] = ranks["job"].map(pd.Series(finished.index, index=finished["job"]))
    return SweepJobs(path, _with_figures(_as_used(finished), ranks), _as_used(failed), ranks)


def _config(job: str, text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise ConfigError("results", job, "the job's configuration is damaged")
    return config


def _as_used(jobs: pd.DataFrame) -> pd.DataFrame:
    """Without the parameters that a job never looks at; what a strategy of the user's own reads, nothing here says."""
    own = jobs["strategy"].notna() & ~jobs["strategy"].isin(STRATEGIES)
    used = {
        name: jobs[owner].isin(values) | (own & (owner == "strategy")) for name, (owner, values) in USED_UNDER.items()
    }
    return jobs.assign(**{name: jobs[name].where(looked_at) for name, looked_at in used.items()})


def _with_figures(jobs: pd.DataFrame, ranks: pd.DataFrame) -> pd.DataFrame:
    by_job = ranks.groupby("line")
    means = by_job[[*PARTS, "pulled_bytes"]].mean().reindex(jobs.index)
    bound = jobs["lower_bound_s"]
    return jobs.assign(
        **{name: means[name] for name in means.columns},
        over_bound=jobs["prefetch_latency_mean_s"] / bound,
        slowest_over_bound=jobs["prefetch_latency_max_s"] / bound,
        slowest_stream_s=by_job["prefetch_latency_s"].max().reindex(jobs.index).where(jobs["workload"] == "replay"),
        step_bubble_share=jobs["step_bubble_s"] / jobs["step_iteration_s"],
        dep_gain_low=jobs["dep_gain"] - jobs["dep_gain_half_width"],
        dep_gain_high=jobs["dep_gain"] + jobs["dep_gain_half_width"],
    )
