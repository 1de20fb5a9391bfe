"""Requests: lengths, packing into steps, files; against the published mean tokens of a step."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.steps.requests import Chunk, RequestLoad, count_tokens, draw_steps, pack, read_lengths


@pytest.mark.parametrize(
    ("ratio", "max_num_tokens", "expected"),
    [(0.5, 16384, 13134), (0.5, 32768, 29646), (0.8, 16384, 14753), (0.8, 32768, 29475)],
)
def test_mean_tokens_of_a_step_are_as_worked_out_for_the_published_settings(
    ratio: float, max_num_tokens: int, expected: int
) -> None:
    """At ISL 8K, over 100 seeds of 4 ranks and 25 steps: within 1 % (we get 0.5, 0.3, 0.1 and 0.1 %)."""
    load = RequestLoad(8192, ratio, max_num_tokens)
    tokens = [count_tokens(draw_steps(load, 4, 25, seed)) for seed in range(100)]
    assert np.mean(tokens) == pytest.approx(expected, rel=0.01)


def test_whole_requests_enter_a_step_while_they_fit_and_the_next_one_opens_another() -> None:
    # 5 + 4 = 9 fit into 10, 3 more do not; 3 + 7 = 10 do.
    assert list(pack([5, 4, 3, 7, 10, 1], 10)) == [(Chunk(5), Chunk(4)), (Chunk(3), Chunk(7)), (Chunk(10),)]


def test_a_long_request_is_cut_into_chunks_with_growing_context() -> None:
    # 25 = 10 + 10 + 5 opens a step of its own and leaves room for 5 in its last.
    packed = list(pack([3, 25, 4, 9], 10))
    assert packed == [(Chunk(3),), (Chunk(10, 0),), (Chunk(10, 10),), (Chunk(5, 20), Chunk(4))]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 100))
def test_every_token_of_every_finished_step_is_there_once_and_in_order(lengths: list[int], most: int) -> None:
    packed = list(pack([*lengths, most], most))  # the last request closes the step before it
    assert all(0 < sum(chunk.new_tokens for chunk in step) <= most for step in packed)
    rebuilt: list[int] = []
    for chunk in (chunk for step in packed for chunk in step):
        if chunk.context_tokens:
            assert chunk.context_tokens == rebuilt[-1]
            rebuilt[-1] += chunk.new_tokens
        else:
            rebuilt.append(chunk.new_tokens)
    assert rebuilt[: len(lengths)] == lengths


@given(st.integers(1, 20_000), st.floats(0.01, 1.0), st.integers(0, 5), st.integers(0, 99))
def test_drawn_lengths_lie_between_the_ratio_and_the_longest(isl: int, ratio: float, rank: int, seed: int) -> None:
    lengths = list(islice(RequestLoad(isl, ratio).arrivals(rank, 8, seed), 20))
    assert all(ratio * isl <= length <= isl for length in lengths)


def test_a_seed_gives_the_same_steps_whatever_the_number_of_ranks_and_steps() -> None:
    load = RequestLoad(8192, 0.5, 16384)
    many = draw_steps(load, 8, 20, seed=3)
    assert [rank[:5] for rank in many[:4]] == draw_steps(load, 4, 5, seed=3)
    assert many != draw_steps(load, 8, 20, seed=4)
    assert many[0] != many[1]


def test_given_lengths_are_dealt_to_the_ranks_in_turn_and_repeated() -> None:
    load = RequestLoad(max_num_tokens=100, lengths=(10, 20, 30))
    assert list(islice(load.arrivals(1, 2, seed=0), 4)) == [20, 10, 30, 20]


def test_a_request_far_longer_than_all_steps_is_cut_as_far_as_asked() -> None:
    load = RequestLoad(max_num_tokens=10, lengths=(10**15,))
    assert draw_steps(load, 1, 2, seed=0) == [[(Chunk(10, 0),), (Chunk(10, 10),)]]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"isl": 0}, "isl"),
        ({"max_num_tokens": 0}, "max_num_tokens"),
        ({"max_num_tokens": 10**30}, "max_num_tokens"),
        ({"ratio": 0.0}, "ratio"),
        ({"ratio": 1.1}, "ratio"),
    ],
)
def test_a_load_that_cannot_be_is_named(change: dict[str, float], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        RequestLoad(**change)  # type: ignore[arg-type]
    assert error.value.key == f"workload.{key}"


@pytest.mark.parametrize("text", ["[12, 8000, 3]", "12\n8000\n3\n", " 12\n 8000 \n3"])
def test_lengths_are_read_from_a_list_or_from_lines(text: str, tmp_path: Path) -> None:
    path = tmp_path / "lengths"
    path.write_text(text)
    assert read_lengths(str(path)) == (12, 8000, 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[12, 3.5]", "[1] is 3.5; expected `int`"),
        ("[true]", "[0] is true"),
        ("12\n-3", "[1] is -3; expected `int`"),
        ("12\n\n3", "[1] is ; expected `int`"),
        ("[0]", "[0] is 0; expected `int` >= 1"),
        ("[1000000001]", "expected `int` <= 1000000000"),
        ("[]", "expected `array` of length >= 1"),
        ("[1,", "cannot be read"),
        ("", "[0] is ; expected `int`"),
        ("9" * 5000, "[0] is 999"),
        ("١٢", "[0] is ١٢"),
    ],
)
def test_a_file_without_lengths_is_refused_in_one_line(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "lengths"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"workload\.lengths") as error:
        read_lengths(str(path))
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a regular file"):
        read_lengths(str(tmp_path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"workload\.lengths=nowhere: cannot be read as text: No such file"):
        read_lengths("nowhere")


def test_the_longest_input_says_how_many_steps_a_request_takes_at_most() -> None:
    assert RequestLoad(isl=8192, max_num_tokens=16384).most_steps_a_request() == 1
    assert RequestLoad(isl=131072, max_num_tokens=16384).most_steps_a_request() == 8
    assert RequestLoad(max_num_tokens=100, lengths=(10, 201, 30)).most_steps_a_request() == 3
