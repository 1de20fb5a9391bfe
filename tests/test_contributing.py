"""A model, a cluster and a strategy from outside the repository, by the recipe of CONTRIBUTING.md as it stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dwdp_sim.model.placement import Placement
from dwdp_sim.plan.build_plan import build_plan
from dwdp_sim.plan.strategy_file import load_kind
from dwdp_sim.sweep.page.sweep_jobs import read_jobs
from tests.dwdp_sim.advise.bases import small_bench
from tests.test_docs import FENCE, ROOT


def section() -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text[text.index("## A model, a cluster or a strategy of your own") :].split("\n## ")[0]
