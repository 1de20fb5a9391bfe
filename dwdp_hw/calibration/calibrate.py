"""Calibrate a cluster: fit it to rows, and write each constant with its interval and the rows it came from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dwdp_hw.calibration.design import calibration_rows, is_smooth, rule_rows
from dwdp_hw.calibration.fit import Estimate, Fit, fit_identified
from dwdp_hw.calibration.moved import Moved, moved_constants
from dwdp_hw.calibration.observations import Told, nobody
from dwdp_hw.calibration.relative_costs import relative_constants, relative_estimates
from dwdp_hw.calibration.rules import evidence
from dwdp_hw.calibration.waits import event_waits_s
from dwdp_hw.rows.host_costs import HOST_COSTS
from dwdp_hw.rows.recording import Recording, pool
from dwdp_hw.rows.row import RecordedRow, RowKey
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.owner import remove_leftovers
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import Constant
from dwdp_sim.fabric.options import FabricOptions

USES = ("design", "all")
STEPS_ONLY = "steps"
"""In `Cluster.fitted_on`: a file of which nothing but the waits in its forward steps was used."""
_SCHEMA = 4
_KIND = re.compile(r"\b[A-Z]{1,2}\d{2,4}[A-Z]?\b")  # in the driver's name of a GPU
KEPT = "; not identified by the latest calibration: kept"
"""At the end of a constant's source."""


@dataclass(frozen=True)
class Calibration:
    """The outcome of a calibration.

    Attributes:
        fit: Values, intervals, and what the rows could not tell.
        relative: What issuing costs beside the yardstick.
        cluster: The fitted cluster, its constants marked as measured, with intervals and sources.
        rows: The rows it was fitted on, by the contents (sha256) of their file.
        apart: Rows that were left out because peer memory was mapped in another way than the cluster's, by mapping.
        evidence: For each alternative rule, its log likelihood less that of the rule in use, each after its own fit.
        before: Name of the cluster that it started from.
        moved: Constants that differ from that cluster's by more than both intervals explain.
        warnings: What NVML said against the machine meanwhile.
        failed: Cases of which a rank failed, and how.
    """

    fit: Fit
    relative: list[Estimate]
    cluster: Cluster
    rows: dict[str, list[RecordedRow]]
    apart: dict[str, int]
    evidence: dict[str, float]
    before: str
    moved: list[Moved]
    warnings: list[str]
    failed: list[str]

    @property
    def estimates(self) -> list[Estimate]:
        """Every constant that was estimated."""
        return [*self.fit.estimates, *self.relative]

    def as_dict(self) -> dict[str, Any]:
        """The content of `calibration.json`."""
        fit = self.fit
        return {
            "schema": _SCHEMA,
            "cluster": self.cluster.name,
            "estimates": [
                {"name": e.parameter.name, "value": e.value, "low": e.low, "high": e.high} for e in self.estimates
            ],
            "not_identified_and_kept": [
                {"name": parameter.name, "value": parameter.start, "reason": reason}
                for parameter, reason in fit.kept.items()
            ],
            "not_told_apart": fit.not_apart,
            "before": self.before,
            "moved": [asdict(one) for one in self.moved],
            "noise": fit.noise,
            "warnings": self.warnings,
            "failed_cases": self.failed,
            "log_likelihood_of_alternatives": self.evidence,
            "kept_apart_by_mapping": self.apart,
            "rows": [{"sha256": sha256, "cases": [row.case for row in rows]} for sha256, rows in self.rows.items()],
        }


def calibrate(
    recordings: Sequence[Recording],
    cluster: Cluster,
    options: FabricOptions,
    *,
    name: str,
    use: str = "design",
    told: Told = nobody,
) -> Calibration:
    """Fit `cluster` to recorded rows.

    Args:
        recordings: Files of one kind of machine.
        cluster: Structure, and values of what the rows do not determine.
        options: The model's rules.
        name: Of the new cluster.
        use: `design` takes the rows that the design asks for and leaves the others for validation; `all` takes all.
        told: Called whenever the fit has predicted a row.

    Raises:
        ConfigError: The files do not belong together, or hold no row that could be used.
    """
    apart = Counter(row.mapping for row in pool(recordings) if not _mapped_as(row.mapping, cluster.mapping))
    rows = {recording.sha256: rows_used(recording, use, cluster.mapping) for recording in recordings}
    used = [row for chosen in rows.values() for row in chosen]
    found = fit_identified(cluster, used, options, told=told)
    files = _names(recordings)
    machine = recordings[0].machine
    about = f"{machine.get('gpus')} × {machine.get('gpu')}, driver {machine.get('driver')}"
    relative = relative_estimates(recordings, cluster)
    source = f"{files}: {len(used)} rows fitted together; {about}"
    kind = _kind(machine, cluster)
    constants = (
        _documented(found, cluster, source)
        | _event(recordings, cluster, f"{files}; {about}")
        | relative_constants(relative, f"{_names(r for r in recordings if r.relative)}; {about}")
    )
    if kind != cluster.gpu:  # its memory is not known
        constants.pop("gpu_memory_bytes", None)
    fitted = replace(
        found.cluster,
        name=name,
        gpu=kind,
        description=f"{about} (calibrated)",
        fitted_on=tuple({"file": Path(r.path).name, "sha256": r.sha256, "use": use} for r in recordings),
        constants=constants,
    )
    unfitted = rule_rows([row for recording in recordings for row in recording.rows])
    by_mapping = {str(mapping): count for mapping, count in apart.items()}
    gains = evidence(used, unfitted, found.cluster, options, told)
    moved = moved_constants(cluster, [*found.estimates, *relative])
    warnings = list(dict.fromkeys(text for recording in recordings for text in recording.warnings))
    failed = [text for recording in recordings for text in recording.failed]
    return Calibration(found, relative, fitted, rows, by_mapping, gains, cluster.name, moved, warnings, failed)


def _kind(machine: Mapping[str, Any], cluster: Cluster) -> str:
    """The kind of GPU that was measured, which need not be that of the cluster at the start."""
    found = _KIND.search(str(machine.get("gpu")))
    return found.group() if found else cluster.gpu


def _names(recordings: Iterable[Recording]) -> str:
    return ", ".join(Path(recording.path).name for recording in recordings)


def rows_used(recording: Recording, use: str, mapping: str) -> list[RecordedRow]:
    """Return the rows of a file that a calibration uses: those of the design, or all that can be fitted.

    Args:
        recording: The file.
        use: One of `USES`; with `STEPS_ONLY` no row is taken.
        mapping: Rows of another one are kept apart.
    """
    if use == STEPS_ONLY:
        return []
    rows = [row for row in recording.rows if _mapped_as(row.mapping, mapping)]
    if use == "design":
        return calibration_rows(rows)
    return [row for row in rows if is_smooth(row) and (row.unstable is None or _says_something(row))]


def _mapped_as(recorded: str | None, mapping: str) -> bool:
    """Whether a row belongs to a cluster of that mapping; one that does not say belongs to any."""
    return recorded is None or recorded == mapping


def fitted_rows(recordings: Sequence[Recording], cluster: Cluster) -> set[RowKey]:
    """Return the rows and steps of these files on which the cluster was fitted; files are recognised by contents."""
    uses = {entry["sha256"]: entry["use"] for entry in cluster.fitted_on}
    return {
        (recording.sha256, case)
        for recording in recordings
        if recording.sha256 in uses
        for case in [
            *[row.case for row in rows_used(recording, uses[recording.sha256], cluster.mapping)],
            *[steps.case for steps in recording.steps],
        ]
    }


def write_cluster(path: Path, calibration: Calibration) -> Path:
    """Write the cluster as a file for `conf/cluster/`."""
    cluster = calibration.cluster
    notes = [f"{first} and {second} cannot be told apart by these rows" for first, second in calibration.fit.not_apart]
    notes += [f"{p.name}: not identified by these rows ({why}): kept" for p, why in calibration.fit.kept.items()]
    header = "".join(f"# {line}\n" for line in (cluster.description, *notes))
    written = {
        "fitted_on": [dict(entry) for entry in cluster.fitted_on],
        "constants": {name: _plain(constant) for name, constant in cluster.constants.items()},
    }
    content = {field.name: getattr(cluster, field.name) for field in fields(cluster) if field.name not in written}
    content |= written
    text = header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    remove_leftovers(path.parent)
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _says_something(row: RecordedRow) -> bool:
    """Whether an unstable row is still of use.

    A single small copy scatters by 1–2 µs, which its weight allows for; nothing else shows the fixed part. Where the
    host's time is in the figure, its scatter is what the range of host costs must cover.
    """
    return not row.queued or len(row.program.copy_bytes) == 1


def _documented(found: Fit, before: Cluster, source: str) -> dict[str, Constant]:
    """The fitted constants with their intervals; one of which nothing is fitted stays as it was."""
    constants = dict(found.cluster.constants)
    for name in {name for parameter in found.kept for name in parameter.constants}:
        constants[name] = _marked(before.constants[name])
    fitted: dict[str, list[Estimate]] = {}
    for estimate in found.estimates:
        for name in estimate.parameter.constants:
            fitted.setdefault(name, []).append(estimate)
    for name, estimates in fitted.items():
        kept = ", ".join(parameter.name for parameter in found.kept if name in parameter.constants)
        notes = [f"not identified by them, kept: {kept}"] if kept else []
        notes += ["the interval covers every process measured"] if name in HOST_COSTS else []
        constants[name] = replace(
            found.cluster.constants[name],
            provenance="measured",
            source="; ".join([source, *notes]),
            interval=_interval(estimates),
        )
    return constants


def _event(recordings: Sequence[Recording], cluster: Cluster, source: str) -> dict[str, Constant]:
    """The latency of an event as the files' forward steps show it; nothing if they have none."""
    steps = [one for recording in recordings for one in recording.steps if _mapped_as(one.mapping, cluster.mapping)]
    waits_s = event_waits_s(steps)
    if not len(waits_s):
        return {}
    low, value, high = np.percentile(waits_s, [2.5, 50, 97.5]).tolist()
    said = f"{source}: median of {len(waits_s)} waits of layers whose experts had arrived"
    return {"event_s": Constant(value, "s", "measured", said, "a stream behind another's event", [low, high])}


def _marked(constant: Constant) -> Constant:
    """A constant that was kept, and says so once."""
    return replace(constant, source=constant.source.removesuffix(KEPT) + KEPT)


def _interval(estimates: Sequence[Estimate]) -> Any:
    if estimates[0].parameter.key is None:
        return [estimates[0].low, estimates[0].high]
    return {estimate.parameter.key: [estimate.low, estimate.high] for estimate in estimates}


def _plain(constant: Constant) -> dict[str, Any]:
    fields = {name: value for name, value in vars(constant).items() if name == "value" or value not in (None, "")}
    return {name: _rounded(value) for name, value in fields.items()}


def _rounded(value: Any) -> Any:
    """Six significant figures, all the way down, in types that YAML knows."""
    if isinstance(value, Mapping):
        return {int(key) if isinstance(key, float) else key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
