"""Read what issuing copies cost each process beside the yardstick."""

from __future__ import annotations

from dataclasses import dataclass

from dwdp_hw.cases.result import QUANTILES
from dwdp_hw.rows.row import refusal
from dwdp_hw.rows.schema import MeasuredRow

_AT = QUANTILES.index(0.1)
"""Of the times of a process those that count: a tenth finds the moments at the core's higher speed, in which nothing
disturbs, and is not decided by the few that are quickest."""


@dataclass(frozen=True)
class RelativeCosts:
    """What issuing copies in one way cost each of several processes.

    Attributes:
        case: Its name.
        issue: `async` or `batch`.
        yardstick_s: The yardstick of each process, in seconds.
        cost_s: The issuing of a copy, likewise.
    """

    case: str
    issue: str
    yardstick_s: tuple[float, ...]
    cost_s: tuple[float, ...]


def relative_costs_from_dict(row: MeasuredRow, path: str) -> RelativeCosts:
    """Read a row of `measure=relative_cost` of the file `path`.

    Raises:
        ConfigError: It lacks the costs, or one of a process is no rising list of times above zero.
    """
    if "relative_cost" not in row or "issue" not in row:
        raise refusal(row, path, "has no relative_cost, or not how its copies were issued")
    for process in row["relative_cost"]:
        for name, times in (("yardstick_us", process["yardstick_us"]), ("cost_us", process["cost_us"])):
            if len(times) != len(QUANTILES) or times != sorted(times) or times[0] <= 0.0:
                raise refusal(row, path, f"{name} is {times}; {len(QUANTILES)} rising times above zero are wanted")
    return RelativeCosts(
        case=row["case"],
        issue=row["issue"],
        yardstick_s=tuple(process["yardstick_us"][_AT] * 1e-6 for process in row["relative_cost"]),
        cost_s=tuple(process["cost_us"][_AT] * 1e-6 for process in row["relative_cost"]),
    )
