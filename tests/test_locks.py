"""What predicting needs is locked apart from what developing needs, in the same versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def lock(name: str) -> list[str]:
    return (REPOSITORY / "requirements" / f"{name}.txt").read_text().splitlines()


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;~! ]", requirement)[0].lower() for requirement in requirements}


def test_the_core_lock_is_a_part_of_the_development_lock() -> None:
    assert set(lock("core")) < set(lock("dev"))


def test_the_core_lock_holds_every_dependency_and_no_extra() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert names(project["dependencies"]) <= names(lock("core"))
    tools = names(project["optional-dependencies"]["dev"]) | names(project["optional-dependencies"]["ray"])
    assert not (tools - names(project["dependencies"])) & names(lock("core"))
