"""From rows to a cluster file: fit, and write every constant with its interval and the rows it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from dwdp_hw.check.design import calibration_rows
from dwdp_hw.check.fit import Fit, fit
from dwdp_hw.check.suspects import log_likelihood, makes_a_difference
from dwdp_sim.cluster import Cluster
from dwdp_sim.constant import Constant
from dwdp_sim.options import FabricOptions
from dwdp_sim.recorded import RecordedRow, Recording, pool
from dwdp_sim.results import write_whole

USES = ("design", "all")


@dataclass(frozen=True)
class Calibration:
    """The outcome of a calibration.

    Attributes:
        fit: Values, intervals, and what the rows could not tell.
        cluster: The fitted cluster, its constants marked as measured, with intervals and sources.
        rows: The rows it was fitted on.
        evidence: For each alternative rule, its log likelihood less that of the rule in use, each after its own fit.
    """

    fit: Fit
    cluster: Cluster
    rows: list[RecordedRow]
    evidence: dict[str, float]


def calibrate(
    recordings: Sequence[Recording], cluster: Cluster, options: FabricOptions, *, name: str, use: str = "design"
) -> Calibration:
    """Fit `cluster` to recorded rows.

    Args:
        recordings: Files of one kind of machine.
        cluster: Structure, and values of what the rows do not determine.
        options: The model's rules.
        name: Of the new cluster.
        use: `design` takes the rows that the design asks for and leaves the others for validation; `all` takes all.

    Raises:
        ConfigError: The files do not belong together, or hold no row that could be used.
    """
    pooled = pool(recordings)
    rows = (
        calibration_rows(pooled)
        if use == "design"
        else [row for row in pooled if row.unstable is None or _is_tiny(row)]
    )
    found = fit(cluster, rows, options)
    files = ", ".join(Path(recording.path).name for recording in recordings)
    machine = recordings[0].machine
    about = f"{machine.get('gpus')} × {machine.get('gpu')}, driver {machine.get('driver')}"
    fitted = replace(
        found.cluster,
        name=name,
        description=f"{about} (calibrated)",
        fitted_on=tuple({"file": Path(r.path).name, "sha256": r.sha256, "use": use} for r in recordings),
        constants=_documented(found, f"{files}: {len(rows)} rows fitted together; {about}"),
    )
    return Calibration(found, fitted, rows, _evidence(rows, options, found))


def write_cluster(path: Path, calibration: Calibration) -> Path:
    """Write the cluster as a file for `conf/cluster/`."""
    cluster = calibration.cluster
    notes = [f"{first} and {second} cannot be told apart by these rows" for first, second in calibration.fit.not_apart]
    if calibration.fit.undetermined:
        notes.append(f"not determined by these rows, kept: {', '.join(calibration.fit.undetermined)}")
    header = "".join(f"# {line}\n" for line in (cluster.description, *notes))
    content = {
        "name": cluster.name,
        "description": cluster.description,
        "num_gpus": cluster.num_gpus,
        "mapping": cluster.mapping,
        "home": cluster.home,
        "fitted_on": [dict(entry) for entry in cluster.fitted_on],
        "constants": {name: _plain(constant) for name, constant in cluster.constants.items()},
    }
    text = header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _is_tiny(row: RecordedRow) -> bool:
    """A single small copy scatters by 1–2 µs, which its weight allows for; nothing else shows the fixed part."""
    return row.queued and len(row.program.copy_bytes) == 1


def _documented(found: Fit, source: str) -> dict[str, Constant]:
    """The fitted constants with their intervals; the others as they were."""
    constants = dict(found.cluster.constants)
    for estimate in found.estimates:
        parameter = estimate.parameter
        for name in parameter.constants:
            old = constants[name]
            interval: Any = [estimate.low, estimate.high]
            if parameter.key is not None:
                interval = {**(old.interval or {}), parameter.key: interval}
            constants[name] = replace(old, provenance="measured", source=source, interval=interval)
    return constants


def _plain(constant: Constant) -> dict[str, Any]:
    fields = {name: value for name, value in vars(constant).items() if value not in (None, "")}
    return {name: _rounded(value) for name, value in fields.items()}


def _rounded(value: Any) -> Any:
    """Six significant figures, all the way down, in types that YAML knows."""
    if isinstance(value, Mapping):
        return {int(key) if isinstance(key, float) else key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _evidence(rows: Sequence[RecordedRow], options: FabricOptions, found: Fit) -> dict[str, float]:
    base = log_likelihood(rows, found.cluster, options)
    alternatives = {
        "sharing": "fifo" if options.sharing == "fair" else "fair",
        "batch_order": "random" if options.batch_order == "kept" else "kept",
    }
    evidence = {}
    for name, value in alternatives.items():
        other = replace(options, sharing=value) if name == "sharing" else replace(options, batch_order=value)
        if not makes_a_difference(rows, found.cluster, options, other):
            evidence[f"{name}={value}"] = 0.0
            continue
        evidence[f"{name}={value}"] = log_likelihood(rows, fit(found.cluster, rows, other).cluster, other) - base
    return evidence
