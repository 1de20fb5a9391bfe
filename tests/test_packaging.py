"""What is published is whole, holds nothing else, and says the same of itself everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.installed import LOWEST, ROOT, install_and_use, project

PROJECT = project()
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
CORE = {Requirement(line).name for line in PROJECT["dependencies"]}
FOR_USERS = sorted(EXTRAS.keys() - {"docs", "dev"})
# Where a wheel has what lies elsewhere in the repository.
MOVED = {"conf": "dwdp_sim/conf", "measurements/published": "dwdp_sim/published_rows"}


def names(extra: str) -> set[str]:
    return {Requirement(line).name for line in EXTRAS[extra]}


def committed(*folders: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, check=True, capture_output=True, text=True)
    return {path for path in listed.stdout.split("\0") if path and (ROOT / path).exists()}


def test_an_extra_brings_nothing_that_the_core_or_another_one_brings() -> None:
    for extra in FOR_USERS:
        others = set().union(*(names(other) for other in FOR_USERS if other != extra))
        assert not names(extra) & (CORE | others), extra


def test_every_extra_that_a_message_names_exists() -> None:
    sources = [
        path.read_text(encoding="utf-8") for folder in ("dwdp_sim", "dwdp_hw") for path in (ROOT / folder).rglob("*.py")
    ]
    named = {extra for source in sources for extra in re.findall(r"dwdp-toolkit\[(\w+)\]", source)}
    assert {"hw", "report"} <= named <= set(EXTRAS)


def test_the_page_on_installing_lists_the_extras() -> None:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert set(EXTRAS) <= set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def test_the_pythons_that_are_allowed_are_those_that_are_listed() -> None:
    allowed = SpecifierSet(PROJECT["requires-python"])
    listed = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    assert listed == {f"3.{minor}" for minor in range(30) if f"3.{minor}" in allowed}


def test_the_lowest_versions_that_are_tried_are_those_that_are_allowed() -> None:
    tried = dict(line.split(" ")[0].split("==") for line in LOWEST.read_text(encoding="utf-8").splitlines())
    for requirement in map(Requirement, PROJECT["dependencies"]):
        (least,) = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        assert tried[requirement.name] in SpecifierSet(f"=={least}"), requirement.name


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["title"] == (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive and the wheel that was built of nothing else."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, capture_output=True)
    return folder


def content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.long
def test_an_index_takes_what_is_built(built: Path) -> None:
    check = [sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(built.iterdir()))]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_the_wheel_has_every_committed_file_of_the_packages_and_no_other(built: Path) -> None:
    found = content(*built.glob("*.whl"))
    expected = committed("dwdp_sim", "dwdp_hw")
    for where, there in MOVED.items():
        expected |= {there + path.removeprefix(where) for path in committed(where)}
    own = {name for name in found if ".dist-info/" not in name}
    assert own == expected
    (metadata,) = {name.partition("/")[0] for name in found} - {"dwdp_sim", "dwdp_hw"}
    assert {name.partition("/")[2] for name in found if name not in own} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    assert metadata == f"dwdp_toolkit-{PROJECT['version']}.dist-info"
    assert {"dwdp_sim/py.typed", "dwdp_hw/py.typed"} <= own


@pytest.mark.long
def test_the_source_archive_has_what_the_wheel_is_built_of_and_no_more(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        found = {member.name.partition("/")[2] for member in archive.getmembers()}
    texts = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", ".gitignore"}
    assert found == committed("dwdp_sim", "dwdp_hw", *MOVED, *texts) | {"PKG-INFO"}


@pytest.mark.long
def test_the_wheel_of_the_source_archive_is_the_one_of_the_repository(built: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    assert content(*tmp_path.glob("*.whl")) == content(*built.glob("*.whl"))


@pytest.mark.long
def test_the_text_for_an_index_is_the_readme_without_what_leads_nowhere_there(built: Path) -> None:
    (raw,) = [data for name, data in content(*built.glob("*.whl")).items() if name.endswith("/METADATA")]
    metadata = Metadata.from_email(raw)
    text = metadata.description or ""
    assert text.startswith("# DWDP toolkit\n")
    assert metadata.description_content_type == "text/markdown"
    assert [target for target in re.findall(r"\]\(([^)]*)\)", text) if not target.startswith("https://")] == []
    assert "<!--" not in text
    assert "<img" not in text


@pytest.fixture(scope="module")
def used(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment that has the wheel and the lowest versions it allows, where it has been used."""
    folder = tmp_path_factory.mktemp("used")
    install_and_use(next(built.glob("*.whl")), sys.executable, LOWEST, folder)
    return folder


@pytest.mark.long
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lowest versions are those of Python 3.11")
@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["dwdp-sim", "-m", "hydra/launcher=joblib", "seed=1,2"], "sweep"),
        (["dwdp-sim", "-m", "hydra/launcher=ray", "seed=1,2"], "ray"),
        (["dwdp-report", "sweep"], "report"),
        (["dwdp-hw", "strategy=batched"], "hw"),
    ],
)
def test_the_wheel_works_with_the_lowest_versions_and_names_the_extra_that_it_lacks(
    used: Path, words: list[str], extra: str
) -> None:
    program, *rest = words
    command = [used / "venv" / "bin" / program, *rest]
    done = subprocess.run(command, cwd=used / "empty", capture_output=True, text=True, check=False)
    assert done.returncode in (2, 3)
    assert f"dwdp-toolkit[{extra}]" in done.stderr
    assert len(done.stderr.splitlines()) == 1
