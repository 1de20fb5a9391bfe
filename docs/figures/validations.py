"""How well recorded rows are predicted: docs/data/validations.json, made by docs/figures/validate.py."""

from __future__ import annotations

import json
from typing import Any

from rows import CAMPAIGNS, ROOT
from wording import between, cells, percent, percents

_REFITTED = "_refitted"  # names of outcomes whose constants are no shipped ones
_TELLING = 0.03  # an error worth naming its case

Outcome = dict[str, Any]


def figures() -> dict[str, str]:
    """The figures of this topic by name."""
    every: dict[str, Outcome] = json.loads((ROOT / "docs/data/validations.json").read_text(encoding="utf-8"))
    outcomes = {name: outcome for name, outcome in every.items() if not name.endswith(_REFITTED)}
    found = {f"queued_{name}": _queued(outcome["queued"], outcome["verdict"]) for name, outcome in outcomes.items()}
    found |= {f"as_issued_{name}": _as_issued(outcome["as_issued"]) for name, outcome in outcomes.items()}
    found |= {name: _live(outcome) for name, outcome in every.items() if name.endswith(_REFITTED)}
    campaigns = [outcomes[name.removeprefix("h200_x2_")] for name in CAMPAIGNS]
    return found | _of_campaigns(campaigns) | _as_a_range(outcomes) | _trains(outcomes)


def _of_campaigns(outcomes: list[Outcome]) -> dict[str, str]:
    """What the README says of the three campaigns."""
    queued = [outcome["queued"] for outcome in outcomes]
    pairs, right = (sum(outcome[key] for outcome in outcomes) for key in ("pairs", "pairs_right"))
    worst: dict[str, list[float]] = {}
    for case, error in (entry for outcome in outcomes for entry in outcome["worst"]):
        worst.setdefault(case, []).append(abs(error))
    telling = {case: errors for case, errors in worst.items() if max(errors) > _TELLING}
    return {
        "campaign_figures": between((summary["n"] for summary in queued), 0),
        "campaign_p95": percent(max(summary["p95_abs_error"] for summary in queued)),
        "campaign_median": percent(max(summary["median_abs_error"] for summary in queued)),
        "pairs": f"{pairs}",
        "pairs_right": "all" if pairs == right else f"{right}",
        "worst": ", ".join(f"`{case}` ({percents(errors)})" for case, errors in sorted(telling.items())),
    }


def _as_a_range(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """What a range leaves of the errors of two H200s as issued, but for the harness that had Python lists only."""
    counted = [outcome for name, outcome in outcomes.items() if name != "ipc" and not name.startswith("h100")]
    issued = [outcome["as_issued"] for outcome in counted]
    arrays = [outcome["as_issued_from_arrays"] for outcome in counted]
    figures = sum(summary["n"] for summary in arrays)
    inside = sum(summary["n"] * summary["covered"] for summary in arrays)
    return {
        "width": percents((summary["median_width"] for summary in issued), 0),
        "value_off": percent(max(summary["max_abs_error"] for summary in issued), 0),
        "outside": percent(max(summary["max_outside"] for summary in issued)),
        "arrays_inside": percent(inside / figures, 0),
        "arrays_figures": f"{figures}",
        "arrays_outside": percent(max(summary["max_outside"] for summary in arrays)),
        "widest": percent(max(outcome["widest"] for outcome in counted), 0),
    }


def _trains(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """By how much longer trains took that did not fit their stream's queue."""
    errors = [-error for outcome in outcomes.values() for error in outcome["beyond_queue"]]
    return {"beyond_queue": f"{between((100 * error for error in errors), 1)} %"}


def _queued(summary: dict[str, float], verdict: str) -> str:
    return cells(
        f"{summary['n']}",
        percent(summary["p95_abs_error"], 2),
        percent(summary["median_abs_error"], 2),
        percent(summary["max_abs_error"], 2),
        verdict,
    )


def _as_issued(summary: dict[str, float]) -> str:
    return cells(
        f"{summary['n']}",
        percent(summary["p95_outside"], 2),
        percent(summary["max_outside"], 2),
        percent(summary["covered"], 0),
        percent(summary["median_width"], 2),
        f"{percent(summary['median_abs_error'], 2)}, {percent(summary['p95_abs_error'], 2)}",
    )


def _live(outcome: Outcome) -> str:
    queued, issued = outcome["queued"], outcome["as_issued"]
    errors = (percent(queued[key], 2) for key in ("p95_abs_error", "median_abs_error", "max_abs_error"))
    return cells(
        f"{queued['n']}: {', '.join(errors)}",
        f"{issued['n']}: {percent(issued['p95_outside'], 2)}, {percent(issued['max_outside'], 2)}",
        f"{outcome['pairs_right']} of {outcome['pairs']}",
    )
