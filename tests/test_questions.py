"""Six questions of users, answered by the commands that stand in docs/commands.md, and what the answers say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.questions import Question, questions

QUESTIONS = {question.title: question for question in questions()}
MINE, TRTLLM, NVLINK, PANDAS, WORTH, STRATEGY = QUESTIONS


def answer(title: str, folder: Path) -> list[str]:
    """What each command prints."""
    question: Question = QUESTIONS[title]
    for name, content in question.files.items():
        (folder / name).write_text(content, encoding="utf-8")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    printed = []
    for command in question.commands:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        printed.append(done.stdout)
    return printed


def table(printed: str, header: str) -> list[list[float]]:
    """The numbers of a table of comma-separated values that begins with this header."""
    lines = printed[printed.index(header) :].splitlines()[1:]
    rows = [line for line in lines if re.fullmatch(r"[\d.e+-]+(,[\d.e+-]+)+", line)]
    return [[float(cell) for cell in row.split(",")] for row in rows]


def summary(folder: Path, name: str) -> dict[str, object]:
    (path,) = folder.rglob(name)
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_there_are_six_and_each_takes_at_most_three_commands() -> None:
    assert len(QUESTIONS) == 6
    assert all(1 <= len(question.commands) <= 3 for question in QUESTIONS.values())


def test_the_readme_answers_each_with_the_same_commands() -> None:
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    lines = readme.splitlines()
    for question in QUESTIONS.values():
        for shell, *_, command in question.commands:
            assert (command in lines) if shell == "bash" else 'load_results("results/sizes")' in readme, command


@pytest.mark.long
def test_the_own_model_has_a_latency_for_every_slice_size(tmp_path: Path) -> None:
    (printed,) = answer(MINE, tmp_path)
    rows = table(printed, "slice_bytes,prefetch_latency_mean_s,range_mean_low_s,range_mean_high_s")
    assert [row[0] for row in rows] == [2**19, 2**20, 2**21, 2**22, 2**23]
    assert all(1e-3 < low <= mean <= high < 5e-3 for _, mean, low, high in rows)
    assert "model=qwen3.json" in printed.splitlines()[-1]


@pytest.mark.long
def test_the_trtllm_file_gives_group_and_strategy(tmp_path: Path) -> None:
    (printed,) = answer(TRTLLM, tmp_path)
    assert "deepseek_r1_fp8 on gb200_nvl72: batched (trtllm_ipc, 2 MiB slices)" in printed
    assert "N = 4, L = 64, P = 64" in printed
    assert summary(tmp_path, "summary.json")["strategy"] == "batched"


@pytest.mark.long
def test_slower_links_make_the_prefetch_longer_by_as_much(tmp_path: Path) -> None:
    (printed,) = answer(NVLINK, tmp_path)
    (share, slow, *_), (whole, fast, *_) = table(printed, "link_rate,prefetch_latency_mean_s")
    assert (share, whole) == (0.97, 1.0)
    assert 1.02 < slow / fast < 1.04


@pytest.mark.long
def test_ranks_and_tokens_are_rows_of_pandas(tmp_path: Path) -> None:
    swept, frame = answer(PANDAS, tmp_path)
    rows = table(swept, "dwdp_size,max_num_tokens,step_tokens_per_s")
    assert [row[:2] for row in rows] == [[n, tokens] for n in (2, 4, 8) for tokens in (4096, 8192)]
    assert all(low <= mean <= high for *_, mean, low, high in rows)
    assert [line.split()[0] for line in frame.splitlines()[-3:]] == ["2", "4", "8"]
    assert "4096" in frame.splitlines()[0]


@pytest.mark.long
def test_the_advice_says_whether_it_is_worth_it(tmp_path: Path) -> None:
    (printed,) = answer(WORTH, tmp_path)
    assert "gpt_oss_120b_mxfp4 on hgx_h200" in printed
    assert "dwdp_size: 8" in printed
    found = summary(tmp_path, "advice.json")
    assert (found["dwdp_size"], found["cluster"]) == (8, "hgx_h200")
    assert found["verdict"]


@pytest.mark.long
def test_the_own_strategy_comes_near_the_lower_bound(tmp_path: Path) -> None:
    (printed,) = answer(STRATEGY, tmp_path)
    assert "pairwise (trtllm_ipc, 2 MiB slices)" in printed
    found = summary(tmp_path, "summary.json")
    latency = found["prefetch_latency_s"]
    bound = found["lower_bound_s"]
    assert isinstance(latency, dict)
    assert isinstance(bound, float)
    assert latency["mean"] < 1.02 * bound
