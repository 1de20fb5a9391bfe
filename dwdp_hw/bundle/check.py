"""Check what a bundle claims: that its constants follow from its rows, and its figures from both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dwdp_hw.bundle.figures import differences, report_of, validated
from dwdp_hw.bundle.opened import Bundle
from dwdp_hw.bundle.vocabulary import OWN_ROWS
from dwdp_hw.calibration.calibrate import rows_used
from dwdp_hw.calibration.fit import Estimate, fit_only
from dwdp_hw.calibration.observations import nobody
from dwdp_hw.calibration.parameters import Parameter, parameters_for
from dwdp_hw.calibration.relative_costs import RELATIVE_COSTS, relative_estimates
from dwdp_hw.calibration.waits import event_waits_s
from dwdp_hw.rows.row import RecordedRow
from dwdp_hw.validation.validate import Validation
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.constant import read_interval
from dwdp_sim.fabric.options import FabricOptions

HOLDS, FAILS, SKIPPED = "holds", "FAILS", "skipped"
_EVENT = "event_s"
_SAME = 1e-4  # relative; constants are written with six digits


@dataclass(frozen=True)
class Claim:
    """One thing that a bundle claims.

    Attributes:
        what: In words.
        state: `HOLDS`, `FAILS` or `SKIPPED`.
        why: What was compared, or is wrong.
    """

    what: str
    state: str
    why: str


def check_bundle(
    bundle: Bundle, *, refit: bool = True, told: Callable[[], None] = nobody
) -> tuple[list[Claim], Validation]:
    """Return what an open bundle claims and whether it holds, and its rows beside their predictions.

    Args:
        bundle: Whose parts are whole and say nothing else, which `open_bundle` has checked.
        refit: Whether to fit its constants again, which takes most of the time.
        told: Called whenever the fit has predicted a row.
    """
    validation = validated(bundle.recordings, bundle.cluster)
    rows = sum(len(recording.rows) + len(recording.steps) for recording in bundle.recordings)
    claims = [
        Claim("files", HOLDS, f"{len(bundle.manifest.parts)} of the sizes and SHA-256 that the manifest lists"),
        Claim("rows", HOLDS, f"{rows} in {len(bundle.recordings)} files, none contradicts itself"),
        *_constants(bundle, refit, told),
        _figures(bundle, validation),
    ]
    return claims, validation


def _constants(bundle: Bundle, refit: bool, told: Callable[[], None]) -> Iterator[Claim]:
    what = "constants follow from the rows"
    rows = fitted_rows_of(bundle)
    named = claimed(bundle.cluster, rows) if rows else {}
    others = [
        name for name, c in bundle.cluster.constants.items() if c.provenance == "measured" and c.source != OWN_ROWS
    ]
    if not named:
        yield Claim(what, SKIPPED, "none was fitted on rows of this bundle")
    elif not refit:
        yield Claim(what, SKIPPED, f"{len(named)} were not fitted again, as asked")
    else:
        found = fit_only(bundle.cluster, rows, FabricOptions(), [p.name for p in named], told=told)
        wrong = list(_contradicted(named, {e.parameter.name: e for e in found.estimates}))
        wrong += _without_rows(bundle, named) + _event(bundle) + _relative(bundle)
        fine = f"{len(named)} fitted again to {len(rows)} rows, each inside the other's interval"
        yield Claim(what, FAILS if wrong else HOLDS, "; ".join(wrong) or fine)
    if others:
        yield Claim("measured elsewhere", SKIPPED, ", ".join(others))


def fitted_rows_of(bundle: Bundle) -> list[RecordedRow]:
    """The rows that a bundle's constants were fitted on."""
    uses = {entry["sha256"]: entry["use"] for entry in bundle.cluster.fitted_on}
    return [
        row
        for recording in bundle.fitted
        for row in rows_used(recording, uses[recording.sha256], bundle.cluster.mapping)
    ]


def claimed(cluster: Cluster, rows: list[RecordedRow]) -> dict[Parameter, tuple[float, float]]:
    """The parameters that a cluster of a bundle says were fitted on its rows, with the intervals that it claims."""
    _, parameters = parameters_for(cluster, rows)
    found = {}
    for parameter in parameters:
        constant = cluster.constants[parameter.constants[0]]
        interval = read_interval(constant.interval, parameter.key)
        if constant.source == OWN_ROWS and interval is not None:
            found[parameter] = interval
    return found


def _contradicted(named: dict[Parameter, tuple[float, float]], found: dict[str, Estimate]) -> Iterator[str]:
    """What a new fit says of each claimed value and interval, where it does not agree."""
    for parameter, (low, high) in named.items():
        estimate = found.get(parameter.name)
        if estimate is None:
            yield f"{parameter.name}: no row depends on it"
        elif not _inside(estimate.value, low, high):
            yield f"{parameter.name}: the rows give {estimate.value:.5g}, outside {low:.5g} – {high:.5g}"
        elif not _inside(parameter.start, estimate.low, estimate.high):
            yield f"{parameter.name} is {parameter.start:.5g}: the rows give {estimate.low:.5g} – {estimate.high:.5g}"


def _inside(value: float, low: float, high: float) -> bool:
    return low - _SAME * abs(low) <= value <= high + _SAME * abs(high)


def _without_rows(bundle: Bundle, named: dict[Parameter, tuple[float, float]]) -> list[str]:
    """Constants that claim the bundle's rows, of which nothing was fitted again."""
    checked = {name for parameter in named for name in parameter.constants} | {_EVENT, *RELATIVE_COSTS.values()}
    own = [name for name, constant in bundle.cluster.constants.items() if constant.source == OWN_ROWS]
    return [f"{name}: nothing in these rows was fitted" for name in own if name not in checked]


def _event(bundle: Bundle) -> list[str]:
    """The latency of an event, which is no part of the fit but a median of waits."""
    constant = bundle.cluster.constants.get(_EVENT)
    if constant is None or constant.source != OWN_ROWS:
        return []
    waits_s = event_waits_s([steps for recording in bundle.fitted for steps in recording.steps])
    if not len(waits_s):
        return [f"{_EVENT}: no forward step shows it"]
    median_s = float(np.median(waits_s))
    said_s = bundle.cluster.seconds(_EVENT)
    same = abs(said_s - median_s) <= _SAME * median_s
    return [] if same else [f"{_EVENT} is {said_s:.5g}: the rows give {median_s:.5g}"]


def _relative(bundle: Bundle) -> list[str]:
    """The costs beside the yardstick, which are no part of the fit but means over processes."""
    found = {e.parameter.name: (e.value, e.low, e.high) for e in relative_estimates(bundle.fitted)}
    wrong = []
    for name in RELATIVE_COSTS.values():
        constant = bundle.cluster.constants.get(name)
        if constant is None or constant.source != OWN_ROWS:
            continue
        said = (bundle.cluster.number(name), *(read_interval(constant.interval) or ()))
        if name not in found:
            wrong.append(f"{name}: too few processes show it")
        elif len(said) < len(found[name]) or not np.allclose(said, found[name], rtol=_SAME, atol=0.0):
            wrong.append(f"{name} is {_numbers(said)}: the rows give {_numbers(found[name])}")
    return wrong


def _numbers(value_and_ends: Sequence[float]) -> str:
    value, *ends = (f"{number:.5g}" for number in value_and_ends)
    return f"{value} ({' – '.join(ends)})" if ends else value


def _figures(bundle: Bundle, validation: Validation) -> Claim:
    found = report_of(validation)
    wrong = differences(bundle.report, found)
    fine = f"{len(found.rows)} figures predicted anew"
    return Claim("figures follow from rows and constants", FAILS if wrong else HOLDS, "; ".join(wrong[:5]) or fine)
