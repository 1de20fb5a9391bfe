"""The explorer's grid: cells computed anew are what it has, and its commands give its figures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from docs.explorer.__main__ import written
from docs.explorer.answers import COLUMNS, answers_of
from docs.explorer.choices import HYPOTHESES, MACHINES, MODELS, RANKS, SEEDS, Setup, overrides, setups
from docs.explorer.data import DATA, read
from dwdp_sim.api.steps import predict_steps
from dwdp_sim.plan.kinds import BATCHED
from dwdp_sim.plan.strategy import Strategy
from dwdp_sim.steps.requests import RequestLoad

SMALL = Setup("gpt_oss_120b_mxfp4", "hgx_h200", 4)
TOKENS = 4096


@pytest.fixture(scope="module")
def grid() -> dict[str, Any]:
    return read()


def of(grid: dict[str, Any], setup: Setup) -> dict[str, Any]:
    """What the grid has of a set-up."""
    (found,) = [
        one for one in grid["setups"] if (one["model"], one["machine"], one["ranks"]) == tuple(vars(setup).values())
    ]
    return dict(found)


def test_a_load_computed_anew_is_what_the_grid_has(grid: dict[str, Any]) -> None:
    known, place = of(grid, SMALL), grid["tokens"].index(TOKENS)
    found = answers_of(SMALL, None, lambda done, total: None, tokens=(TOKENS,))
    for name in ("ratios", "overrides", "spans"):
        assert found[name][0] == known[name][place]
    for rows, expected in zip(found["answers"][0], known["answers"][place], strict=True):
        for row, other in zip(rows, expected, strict=True):
            assert row[:-1] == other[:-1]
            assert found["excerpts"][row[-1]] == known["excerpts"][other[-1]]


def test_a_cell_is_what_the_front_door_predicts(grid: dict[str, Any]) -> None:
    load = RequestLoad(isl=TOKENS, ratio=0.8, max_num_tokens=TOKENS)
    strategy = Strategy(BATCHED, slice_bytes=2**23)
    found = predict_steps(
        model=SMALL.model, cluster=SMALL.machine, strategy=strategy, dwdp_size=4, load=load, with_range=False
    )
    answers = of(grid, SMALL)["answers"][grid["tokens"].index(TOKENS)][0]
    row = dict(zip(COLUMNS, answers[1 + grid["slices"].index("8 MiB")], strict=True))
    assert row["step"] == round(found.step_s.mean * 1e6)
    assert sum(row[cause] for cause in ("contention", "gap", "host", "transfer")) == pytest.approx(
        found.bubble_s.mean * 1e6, abs=3
    )


def test_every_set_up_of_the_grid_is_there_once_and_whole(grid: dict[str, Any]) -> None:
    known = [Setup(one["model"], one["machine"], one["ranks"]) for one in grid["setups"]]
    assert known == [setup for setup in setups() if setup in known]
    for one in grid["setups"]:
        if not one.get("lacking"):
            shape = {(len(h), len(strategies)) for h in one["answers"] for strategies in h}
            assert shape == {(len(HYPOTHESES), len(Setup(one["model"], one["machine"], one["ranks"]).strategies()))}


def test_a_set_up_that_has_no_answer_says_why(grid: dict[str, Any]) -> None:
    assert (
        of(grid, Setup("deepseek_r1_nvfp4", "hgx_h200", 4))["lacking"]
        == "no measured gemm of nvfp4 on h200 with trtllm"
    )
    assert "need" in Setup("deepseek_r1_fp8", "dgx_h100", 8).lacking()


def test_the_file_is_small_and_says_what_the_modules_say(grid: dict[str, Any]) -> None:
    assert DATA.stat().st_size < 2e6
    assert (grid["models"], grid["machines"], grid["hypotheses"]) == (dict(MODELS), dict(MACHINES), dict(HYPOTHESES))
    assert (grid["ranks"], grid["seeds"], grid["columns"]) == (list(RANKS), len(SEEDS), list(COLUMNS))
    known = {Setup(one["model"], one["machine"], one["ranks"]): one for one in grid["setups"]}
    assert written(known) == DATA.read_text(encoding="utf-8")
    assert json.loads(written({}))["setups"] == []


def test_a_hypothesis_is_given_as_the_overrides_in_which_it_differs() -> None:
    job = SMALL.job(TOKENS)
    given = [overrides(hypothesis, job) for hypothesis in SMALL.hypotheses(job)]
    assert given[:5] == [
        "",
        "cluster.constants.in_flight_sources.value=1",
        "cluster.constants.in_flight_sources.value=all",
        "cluster.constants.refill.value=bytes",
        "fabric.sharing=equal",
    ]
    assert given[5].startswith("compute.kernel=")
