"""The question of a sweep is the comment at the head of its experiment."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwdp_sim.job.config_files import config_dir
from dwdp_sim.sweep.page.experiment_question import experiment, question


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["model=a +experiment=slices", "+experiment=slices seed=1"], "slices"),
        (["experiment=slices"], "slices"),
        (["+experiment=slices", "+experiment=models"], None),
        (["model=a", "note=+experiment=x"], None),
        ([], None),
    ],
)
def test_the_experiment_is_what_all_jobs_name(lines: list[str], name: str | None) -> None:
    assert experiment(lines) == name


def test_the_question_is_the_first_comment_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n# Why?\n#  And how?\nseed: 0\n# not this\n"
    )
    assert question("mine", [tmp_path]) == "Why? And how?"
    assert question("other", [tmp_path]) == ""


def test_every_shipped_experiment_has_a_question() -> None:
    names = [path.stem for path in (config_dir() / "experiment").glob("*.yaml")]
    assert names
    assert all("?" in question(name, [config_dir()]) for name in names)
