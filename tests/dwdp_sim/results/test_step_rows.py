"""The tables of forward steps."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from dwdp_sim.plan.program import Program
from dwdp_sim.results.step_rows import bubbles_table, ranks_table
from dwdp_sim.steps.bubbles import worst_bubbles
from dwdp_sim.steps.contention import split_contention
from dwdp_sim.steps.pace import Pace
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.step_timeline import StepTimeline
from dwdp_sim.steps.windows import constant_windows
from tests.dwdp_sim.programs import constants, links, program, queue, single


def printed(table: Table) -> list[list[str]]:
    """Cells of every line that has some, separated by at least two spaces."""
    file = io.StringIO()
    Console(file=file, width=200).print(table)
    lines = file.getvalue().splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines if line.strip()]


def steps(of: Program, layers: int, pace: Pace | None = None, ranks: int = 1) -> StepTimeline:
    """Two steps with windows of 4 ms; a byte takes 5 ms, a call 1 ms."""
    windows = constant_windows(0.004, 0.0, (ranks, 2, layers))
    return simulate_steps(of, windows, constants(of, issue_async_s=0.001, **links(200.0)), pace=pace, blame=True)


def test_a_rank_s_iteration_is_its_compute_and_its_bubbles() -> None:
    # Three layers' experts arrive at 5, 10 and 15 ms; the last layer computes until 19. Bubbles: 5, 1 and 1.
    table = printed(ranks_table(steps(program(queue(0, single(1, 0, 1))), 3)))
    assert table[1] == ["rank", "iteration", "compute", "bubbles", "of these layer 0", "launch waits", "lost"]
    assert table[3] == ["0", "19.00", "12.00", "7.00", "5.00", "0.00", "36.8%"]
    assert table[-1] == ["mean", *table[3][1:]]


def test_launch_waits_stand_beside_bubbles() -> None:
    # Two calls until 2 ms, launch of layer 0 until 7, call of layer 2 until 8, launches until 13 and 18. Bytes arrive
    # by 6, 11 and 16. Layers compute 7–11, 13–17, 18–22: 7 + 2 + 1 ms of waiting, none of it for bytes.
    of = program(queue(0, single(1, 0, 1), queued=False))
    table = printed(ranks_table(steps(of, 3, Pace(launch_s=0.005, ahead=False))))
    assert table[3] == ["0", "22.00", "12.00", "0.00", "0.00", "10.00", "45.5%"]


def test_of_many_ranks_those_with_most_bubbles_are_shown() -> None:
    # Rank r pulls r + 1 bytes from its own source: the later the rank, the more it waits.
    of = program(*(queue(rank, single(20 + rank, rank, rank + 1)) for rank in range(20)))
    table = printed(ranks_table(steps(of, 1, ranks=20)))
    assert [row[0] for row in table[3:18]] == [str(rank) for rank in range(5, 20)]
    assert table[18] == ["… 5 with fewer bubbles"]


def test_the_longest_waits_stand_with_their_prefetch_and_their_cause() -> None:
    # Two readers of one source at half its rate: 10 ms where alone it takes 5.
    of = program(queue(0, single(2, 0, 1)), queue(1, single(2, 1, 1)))
    timeline = steps(of, 1, ranks=2)
    table = printed(bubbles_table(worst_bubbles(timeline, split_contention(timeline), 1)))
    assert table[1] == ["rank", "step", "layer", "waited", "prefetch", "transfer", "contention", "because"]
    assert table[3] == ["0", "0", "0", "10.00", "10.00", "5.00", "5.00", "GPU 2 was read by rank 1 as well"]
    assert len(table) == 4


def test_where_nothing_waited_the_table_says_so() -> None:
    assert printed(bubbles_table([]))[-1][-1] == "no layer waited for its experts"
