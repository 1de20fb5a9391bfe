"""What predicting needs is locked apart from what developing needs, in the same versions."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


@pytest.mark.parametrize("name", ["core", "dev", "lowest"])
def test_every_line_of_a_lock_is_one_exact_version_from_the_index(name: str) -> None:
    exact = re.compile(r"[a-z0-9][a-z0-9.-]*(\[[a-z0-9,-]+\])?==[0-9][0-9a-z.]*( ; .+)?")
    assert [line for line in lock(name) if not exact.fullmatch(line)] == []


@pytest.mark.parametrize("name", ["core", "dev"])
def test_a_lock_holds_everything_that_its_packages_need(name: str) -> None:
    locked, missing = names(lock(name)), []
    for package in locked:
        try:
            needed = metadata.requires(package) or []
        except metadata.PackageNotFoundError:  # for another platform or version of Python
            continue
        for requirement in map(Requirement, needed):
            here = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if here and canonicalize_name(requirement.name) not in locked:
                missing.append(f"{package} needs {requirement.name}")
    assert sorted(missing) == [], "make lock"
