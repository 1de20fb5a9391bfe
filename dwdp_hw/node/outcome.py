"""What came of the parts of a node's examination, and of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dwdp_hw.node.parts import Part
from dwdp_sim.base.errors import FAILED, UNDECIDED

GOOD, BAD, OPEN, SKIPPED = "good", "bad", "cannot tell", "skipped"


@dataclass(frozen=True)
class Outcome:
    """What came of one part.

    Attributes:
        part: Which.
        verdict: `GOOD`, `BAD`, `OPEN` (noise does not let it be told) or `SKIPPED`.
        said: What it found, in one line.
        took_s: How long it took.
    """

    part: Part
    verdict: str
    said: str
    took_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The part's entry in `node.json`."""
        return {
            "part": self.part.name,
            "command": self.part.line,
            "verdict": self.verdict,
            "said": self.said,
            "took_s": round(self.took_s, 3),
        }


def verdict_of(outcomes: Sequence[Outcome]) -> str:
    """Return the worst verdict of the parts that ran; `SKIPPED` if none did."""
    found = {one.verdict for one in outcomes}
    return next((verdict for verdict in (BAD, OPEN, GOOD) if verdict in found), SKIPPED)


def exit_code(verdict: str) -> int:
    """Return the exit code of a node's verdict."""
    return {BAD: FAILED, SKIPPED: FAILED, OPEN: UNDECIDED, GOOD: 0}[verdict]
