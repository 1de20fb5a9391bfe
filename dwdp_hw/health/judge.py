"""Judge measured rates by the references."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_hw.health.rates import Rate, measured_rates
from dwdp_hw.health.references import Reference, references
from dwdp_hw.rows.recording import Recording

OK, LOW, UNKNOWN = "ok", "low", "unknown kind"


@dataclass(frozen=True)
class Judgement:
    """A measured rate and what it should be.

    Attributes:
        gpu: The name that the driver gives the GPU.
        rate: What was measured.
        reference: What it is compared with; None if nothing is known of its kind, or of several links that it may be.
        verdict: `OK`, `LOW` or `UNKNOWN`.
    """

    gpu: str
    rate: Rate
    reference: Reference | None
    verdict: str


def judge_rows(recording: Recording) -> list[Judgement]:
    """Judge every kind of copy that a file's rows show."""
    gpu = str(recording.machine.get("gpu"))
    return [judge(gpu, rate) for rate in measured_rates(recording)]


def judge(gpu: str, rate: Rate) -> Judgement:
    """Judge one rate of a GPU of that name."""
    fitting = [reference for reference in references() if reference.fits(gpu, rate)]
    if len(fitting) != 1:
        return Judgement(gpu, rate, None, UNKNOWN)
    verdict = OK if rate.bytes_per_s >= fitting[0].lowest_bytes_per_s else LOW
    return Judgement(gpu, rate, fitting[0], verdict)
