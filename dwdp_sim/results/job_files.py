"""The files of a job's prediction."""

from __future__ import annotations

from pathlib import Path

from dwdp_sim.fabric.timeline import SimulatedTimeline
from dwdp_sim.job.build import Job
from dwdp_sim.results.figure import Picture
from dwdp_sim.results.files import write_results
from dwdp_sim.results.summary import LayerSummary, ReplaySummary
from dwdp_sim.results.titles import picture_title


def write_prediction(
    folder: Path, job: Job, timeline: SimulatedTimeline, summary: LayerSummary | ReplaySummary
) -> list[Path]:
    """Write what `predict` found into `folder`; returns the files, in the order of writing."""
    plan = job.layer.plan if job.layer else None
    return write_results(folder, job.config, timeline, summary, job_picture(job), plan)


def job_picture(job: Job) -> Picture:
    """How a job's timeline is drawn."""
    title = picture_title(job.layer, job.cluster.name, job.issue_mode)
    return Picture(title, max(job.constants.rates.values(), default=1.0), "rank" if job.layer else "GPU")
