"""Say of an `all_to_one` row whether it shows the harness's artefact, a loss of the links, or neither.

The artefact loses a fixed *number of copies*: up to four warm-ups of each stream but the first. It fades as the timed
copies become more. A loss of the links is a fixed *share* and stays. One loop count tells them apart only where the
figure is the artefact's own; two tell in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.nvbandwidth.harness import WARMUPS, artefact_share
from dwdp_sim.nvbandwidth.output import Matrix, read_output

TOLERANCE = 0.01  # relative; figures of the same run scatter by a few tenths of a percent
ROWS = {f"all_to_one_{kind}_ce": f"device_to_device_memcpy_{kind}_ce" for kind in ("read", "write")}


@dataclass(frozen=True)
class Verdict:
    """One `all_to_one` row of one output.

    Attributes:
        file: The output.
        testcase: nvbandwidth's name of the row.
        readers: Streams of a figure: GPUs that read from one source, or write to one destination.
        loop_count: Timed copies of a stream.
        gb_per_s: Median of the row, in GB/s.
        pair_gb_per_s: Median over the pairs of the same kind.
        verdict: `artefact`, `loss` or `neither`.
        why: In a few words.
    """

    file: str
    testcase: str
    readers: int
    loop_count: int
    gb_per_s: float
    pair_gb_per_s: float
    verdict: str = "neither"
    why: str = ""

    @property
    def share(self) -> float:
        """Of a pair's bandwidth."""
        return self.gb_per_s / self.pair_gb_per_s

    @property
    def artefact(self) -> float:
        """The share that the artefact would print."""
        return artefact_share(self.readers, self.loop_count)

    @property
    def lost_copies(self) -> float:
        """Copies of which the row has lost the time; the artefact loses 4 (k − 1)."""
        return self.loop_count * self.readers * (1.0 / self.share - 1.0)


def judge_files(files: Sequence[str], loop_counts: Sequence[int]) -> list[Verdict]:
    """Judge every `all_to_one` row of copy engines in some outputs.

    Args:
        files: Outputs of nvbandwidth.
        loop_counts: Of each; one for all is enough.

    Raises:
        ConfigError: A file cannot be used (see `read_output`), lacks the rows or the pairs beside which they are
            judged, or the loop counts are not one, or one a file.
    """
    if len(loop_counts) not in (1, len(files)):
        raise ConfigError(
            "--loop-count", " ".join(map(str, loop_counts)), f"one, or one for each of {len(files)} files"
        )
    each = loop_counts if len(loop_counts) > 1 else [loop_counts[0]] * len(files)
    rows = [row for file, loop_count in zip(files, each, strict=True) for row in _rows(file, loop_count)]
    return [judge(row, [other for other in rows if _same_but_loops(row, other)]) for row in rows]


def _rows(file: str, loop_count: int) -> list[Verdict]:
    matrices = read_output(file)
    rows = []
    for testcase, pair_name in ROWS.items():
        if testcase not in matrices:
            continue
        if pair_name not in matrices:
            raise ConfigError("output", file, f"has {testcase} but not {pair_name}, beside which it is judged")
        figures, pairs = _figures(matrices[testcase]), _figures(matrices[pair_name])
        gpus = len(matrices[pair_name])
        if not figures or not pairs or len(pairs) % gpus:
            raise ConfigError("output", file, f"{pair_name} lacks some pairs: each GPU must reach as many others")
        readers = len(pairs) // gpus
        rows.append(Verdict(file, testcase, readers, loop_count, median(figures), median(pairs)))
    if not rows:
        raise ConfigError("output", file, f"has no matrix of {' or '.join(ROWS)}: nothing to judge")
    return rows


def _figures(matrix: Matrix) -> list[float]:
    return [figure for row in matrix for figure in row if figure is not None]


def _same_but_loops(row: Verdict, other: Verdict) -> bool:
    return (row.testcase, row.readers) == (other.testcase, other.readers) and row.loop_count != other.loop_count


def judge(row: Verdict, others: Sequence[Verdict]) -> Verdict:
    """`row` with its verdict.

    Args:
        row: The row.
        others: The same row at other loop counts.
    """
    if min(one.share for one in (row, *others)) >= 1.0 - TOLERANCE:
        return replace(row, why="nothing is lost")
    verdict, why = _by_others(row, others) if others else _alone(row)
    return replace(row, verdict=verdict, why=why)


def _alone(row: Verdict) -> tuple[str, str]:
    if _near(row.share, row.artefact):
        return "artefact", "the others' warm-ups are in the time"
    if row.share < row.artefact:
        return "loss", "more is lost than all warm-ups of the others"
    return "neither", "less is lost than all warm-ups of the others: another --loopCount tells"


def _by_others(row: Verdict, others: Sequence[Verdict]) -> tuple[str, str]:
    """Whether the same number of copies is lost at every loop count, or the same share."""
    first = min((row, *others), key=lambda one: one.loop_count)
    rest = [one for one in (row, *others) if one.loop_count != first.loop_count]
    copies, share = first.lost_copies, first.share
    is_number = all(_near(one.share, _share_less(copies, one)) for one in rest)
    is_share = all(_near(one.share, share) for one in rest)
    if is_number and is_share:
        return "neither", "the loop counts are too near to tell"
    if is_share:
        return "loss", "the share does not move with the loop count"
    if (
        is_number
        and copies <= WARMUPS * (row.readers - 1) * (1.0 + TOLERANCE) + TOLERANCE * first.loop_count * row.readers
    ):
        return "artefact", f"{copies:.1f} copies are lost at every loop count"
    return "neither", "neither a fixed share nor the time of some warm-ups is lost"


def _share_less(copies: float, row: Verdict) -> float:
    timed = row.loop_count * row.readers
    return timed / (timed + copies)


def _near(value: float, expected: float) -> bool:
    return abs(value / expected - 1.0) <= TOLERANCE
