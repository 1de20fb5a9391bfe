"""Write the files of a job's prediction."""

from __future__ import annotations

from pathlib import Path

from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.job.job import CheckedRun, LayerJob, ReplayJob
from dwdp_sim.results.figure import Picture
from dwdp_sim.results.files import write_results
from dwdp_sim.results.summary import LayerSummary, ReplaySummary
from dwdp_sim.results.titles import picture_title


def write_prediction(
    folder: Path,
    run: CheckedRun,
    job: LayerJob | ReplayJob,
    timeline: SimulatedTimeline,
    summary: LayerSummary | ReplaySummary,
) -> list[Path]:
    """Write what `predict` found of `job`, the job of `run`, into `folder`; returns the files in order of writing."""
    plan = job.layer.plan if isinstance(job, LayerJob) else None
    return write_results(folder, run.config, timeline, summary, job_picture(job), plan, run.overridden)


def job_picture(job: LayerJob | ReplayJob) -> Picture:
    """Return what the picture of a job's timeline says and shows."""
    layer = job.layer if isinstance(job, LayerJob) else None
    title = picture_title(layer, job.cluster.name, job.issue_mode)
    return Picture(title, max(job.constants.rates.values(), default=1.0), "rank" if layer else "GPU")
