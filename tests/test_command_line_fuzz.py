"""Whatever `dwdp-report` is given, and whatever is swept, a command answers with a result, or with one line."""

from __future__ import annotations

import random

import pytest

from tests import grid_fuzz, report_fuzz
from tests.fuzz import Report, run_cases
from tests.test_config_fuzz import answered

A_FEW, SOME = 10, 5  # of each command


@pytest.mark.parametrize("command", report_fuzz.COMMANDS, ids=lambda command: command.name)
def test_wrong_words_for_a_report_are_one_line_or_a_result(command: report_fuzz.Command) -> None:
    answered(run_cases(random.Random(0).sample(list(report_fuzz.cases(command)), A_FEW), Report(), whole=True))


@pytest.mark.long
@pytest.mark.parametrize("command", report_fuzz.COMMANDS, ids=lambda command: command.name)
def test_every_wrong_word_for_a_report_is_one_line_or_a_result(command: report_fuzz.Command) -> None:
    answered(run_cases(list(report_fuzz.cases(command)), Report(), whole=True))


@pytest.mark.parametrize("command", [grid_fuzz.HYDRA_S, grid_fuzz.SWEEP], ids=lambda command: command.name)
def test_a_wrong_grid_is_one_line_or_a_result(command: grid_fuzz.Command) -> None:
    answered(run_cases(random.Random(0).sample(list(grid_fuzz.cases(command)), 2), Report(), whole=True))


@pytest.mark.long
@pytest.mark.parametrize("command", grid_fuzz.COMMANDS, ids=lambda command: command.name)
def test_some_wrong_grids_are_one_line_or_a_result(command: grid_fuzz.Command) -> None:
    answered(run_cases(random.Random(1).sample(list(grid_fuzz.cases(command)), SOME), Report(), whole=True))


@pytest.mark.slow
@pytest.mark.parametrize("command", grid_fuzz.COMMANDS, ids=lambda command: command.name)
def test_every_wrong_grid_is_one_line_or_a_result(command: grid_fuzz.Command) -> None:
    answered(run_cases(list(grid_fuzz.cases(command)), Report(), whole=True))
