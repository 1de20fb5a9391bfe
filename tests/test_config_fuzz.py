"""Whatever a configuration says, a command answers with a result, or with one line and exit code 2."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config_fuzz import COMMANDS, Command, cases
from tests.fuzz import Report, run_cases

A_FEW, SOME, WHOLE, IN_PROCESSES = 1, 8, 1, 3  # of each command, but for the last, which is of all


def answered(report: Report) -> None:
    print(report)
    assert not report.wrong, str(report)


@pytest.mark.parametrize("command", COMMANDS[:1] + COMMANDS[-6:-5], ids=lambda command: command.name)
def test_a_wrong_value_is_one_line_or_a_result(command: Command) -> None:
    answered(run_cases(random.Random(0).sample(list(cases(command)), A_FEW), Report(), whole=True))


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_some_wrong_values_of_every_command_are_one_line_or_a_result(command: Command) -> None:
    draw, all_cases = random.Random(1), list(cases(command))
    plain = [case for case in all_cases if case.plain]
    report = run_cases(draw.sample(plain, SOME), Report(), whole=False)
    answered(run_cases(draw.sample(all_cases, WHOLE), report, whole=True))


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_wrong_value_of_every_command_is_one_line_or_a_result(command: Command) -> None:
    answered(run_cases(list(cases(command)), Report(), whole=False))


@pytest.mark.long
def test_a_process_answers_as_its_main_function_does(tmp_path: Path) -> None:
    given = [case for case in cases(COMMANDS[0]) if "\0" not in "".join(case.arguments)]
    refused = 0
    for case in random.Random(2).sample(given, IN_PROCESSES):
        code = f"from {case.command.module} import main; main()"
        arguments = [word.encode("utf-8", "surrogateescape") for word in case.arguments]
        command = [sys.executable, "-c", code, *arguments, b"hydra.run.dir=run"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
        said = done.stderr.decode()
        assert done.returncode in (0, 2), said
        assert done.returncode == 0 or said.count("\n") == 1, said
        refused += done.returncode == 2
    assert refused > 0
