"""A few layers of forward steps as text."""

from __future__ import annotations

from docs.explorer.excerpt import DIGITS, STEPS, excerpt
from dwdp_sim.steps.simulate_steps import simulate_steps
from dwdp_sim.steps.windows import constant_windows
from tests.dwdp_sim.programs import constants, program, queue, single


def number(text: str) -> int:
    """What two digits say."""
    return DIGITS.index(text[0]) * len(DIGITS) + DIGITS.index(text[1])


def test_an_excerpt_says_when_layers_compute_and_pull_from_the_middle_of_a_step() -> None:
    # Experts arrive every 5 s, attention takes 1 s and a MoE block 1 s: layer 2 is ready at 11 s, as layer 1 ends.
    of = program(queue(0, single(1, 0, 500)))
    timeline = simulate_steps(of, constant_windows(2.0, 0.5, (1, 1, 4)), constants(of))
    assert timeline.ready_s[0, 0].tolist() == [0.0, 6.0, 11.0, 16.0]
    (rank,) = excerpt(timeline, 0, 10.0).split(",")
    first, records = number(rank), [rank[at : at + 13] for at in range(2, len(rank), 13)]
    assert first == 2
    times = [[number(record[at : at + 2]) / STEPS * 10.0 for at in range(0, 12, 2)] for record in records]
    expected = [[0.0, 1.0, 4.0, 5.0, 0.0, 4.0], [5.0, 6.0, 9.0, 10.0, 4.0, 9.0]]
    assert [[round(time, 2) for time in layer] for layer in times] == expected
    assert {record[12] for record in records} == {DIGITS[-1]}  # nothing but bytes


def test_a_rank_whose_steps_are_over_has_no_layers_in_an_excerpt() -> None:
    of = program(queue(0, single(2, 0, 500)), queue(1, single(3, 1, 10)))
    timeline = simulate_steps(of, constant_windows(0.1, 0.5, (2, 1, 4)), constants(of))
    ranks = excerpt(timeline, 0, 1.0).split(",")
    assert len(ranks) == 2
    assert ranks[1] == ""
