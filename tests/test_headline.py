"""The README's headline is what the main job predicts today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dwdp_sim.results.predict import predict
from dwdp_sim.results.summary import LayerSummary
from studies.headline import STRATEGIES, job

COMMITTED = json.loads((Path(__file__).resolve().parents[1] / "docs/data/headline.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_main_job_still_predicts_the_committed_mean_and_spread(strategy: str) -> None:
    _, summary = predict(job(strategy), with_range=False)
    assert isinstance(summary, LayerSummary)
    assert summary.prefetch_latency_s.mean == pytest.approx(COMMITTED[strategy]["mean_s"], rel=1e-6)
    assert summary.basis.draw_spread == pytest.approx(COMMITTED[strategy]["draw_spread"], abs=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_its_range_over_hypotheses_is_the_committed_one(strategy: str) -> None:
    _, summary = predict(job(strategy))
    assert isinstance(summary, LayerSummary)
    assert summary.range_s is not None
    assert summary.range_s.mean == pytest.approx(COMMITTED[strategy]["range_s"], rel=1e-6)
