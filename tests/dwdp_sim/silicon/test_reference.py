"""Every answer equals that of aiconfigurator's own resolver, in and out of the rows.

`reference_queries.json` holds that resolver's answers, one query a line; `studies/silicon_reference.py` made it with
aiconfigurator-core 0.12.0. Its rule for earlier context scales the whole kernel by pairs of tokens; this project's is
another, so that rule is applied here to this project's answer for the whole request. To grouped attention it adds a
constant for rotary position and cache.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dwdp_sim.model.attention import Attention
from dwdp_sim.model.moe import MoEModel
from dwdp_sim.silicon.attention import gqa, mla, mla_module, whole_requests
from dwdp_sim.silicon.dense import gemm, memory_bound
from dwdp_sim.silicon.exchange import all_to_all
from dwdp_sim.silicon.experts import FASTEST, moe
from dwdp_sim.silicon.tables import Kernels
from tests.dwdp_sim.silicon.models import Chunk, kernels, shipped

QUERIES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("reference_queries.json").read_text())
ROUNDED = 2e-7  # of a time as float32, twice
FORMATS = {
    "nvfp4": "nvfp4", "fp8_block": "fp8_block", "bfloat16": "bf16", "w4a8_mxfp4_mxfp8": "mxfp4", "w4a16_mxfp4": "mxfp4",
}  # fmt: skip
CACHES = {"fp8": "fp8", "bfloat16": "bf16"}
EXCHANGES = {"nvlink_one_sided": "NVLinkOneSided", "nvlink_two_sided": "NVLinkTwoSided"}


def test_answers_equal_those_of_the_tables_own_resolver() -> None:
    wrong = []
    for query in QUERIES:
        own_s = _answer_s(kernels(query["gpu"], query["backend"]), query)
        if own_s != pytest.approx(query["seconds"], rel=ROUNDED):
            wrong.append((query, own_s))
    assert wrong == []


def test_the_reference_covers_every_operation_and_place() -> None:
    assert Counter(query["op"] for query in QUERIES) == {
        "moe": 216, "gemm": 91, "gqa": 80, "mla_module": 48, "mla": 20, "nccl": 10, "a2a": 5,
    }  # fmt: skip
    assert len({(query["gpu"], query["backend"]) for query in QUERIES}) == 5


def _answer_s(at: Kernels, query: dict[str, Any]) -> float:
    match query["op"]:
        case "gemm":
            return gemm(at, query["dtype"], query["rows"], query["outputs"], query["inputs"]).seconds
        case "moe":
            return _moe_s(at, query)
        case "nccl":
            found = all_to_all(at, _wide("bf16"), query["elements"] // (query["ranks"] * 7168), query["ranks"], "nccl")
            return (found.dispatch if query["collective"] == "all_gather" else found.combine).seconds
        case "a2a":
            found = all_to_all(at, _wide("nvfp4"), query["tokens"], 4, EXCHANGES[query["kernel"]])
            time = getattr(found, query["phase"])
            return float(time.high_s)  # the row as it is; the best estimate has fewer ranks reached
        case "gqa":
            return _gqa_s(at, query)
    return _mla_s(at, query)


def _moe_s(at: Kernels, query: dict[str, Any]) -> float:
    hidden, inner, experts, top_k = query["shape"]
    model = MoEModel("m", hidden, inner, experts, top_k, 1, 1, FORMATS[query["dtype"]])
    # That project takes the first kernel of the file.
    first = "moe_torch_flow_cutlass" if (at.backend, query["dtype"]) == ("trtllm", "nvfp4") else FASTEST
    return moe(at, model, query["tokens"], first, query["load"], query["dtype"]).seconds


def _wide(weight_format: str) -> MoEModel:
    return MoEModel("m", 7168, 2048, 256, 8, 1, 1, weight_format)


def _step(query: dict[str, Any]) -> tuple[list[Chunk], float]:
    """Equal chunks, and the share of the whole requests that their pairs are in that project's rule."""
    length, prefix = query["length"], query["prefix"]
    whole = length + prefix
    return [Chunk(length, prefix)] * query["batch"], (whole**2 - prefix**2) / whole**2


def _mla_s(at: Kernels, query: dict[str, Any]) -> float:
    chunks, share = _step(query)
    attention = shipped("deepseek_r1_nvfp4").attention
    assert attention is not None
    cache = CACHES[query["cache"]]
    heads = Attention(**{**attention.__dict__, "num_heads": query["heads"]})
    if query["op"] == "mla_module":
        return share * mla_module(at, cache, query["dtype"], heads, chunks).seconds
    table = at.need("mla", "bfloat16", query["cache"])[0]
    whole_s = sum(time.seconds for time in whole_requests(at, table, (), query["heads"], chunks))
    if not query["prefix"]:
        assert mla(at, cache, heads, chunks).seconds == pytest.approx(whole_s)
    return share * whole_s


def _gqa_s(at: Kernels, query: dict[str, Any]) -> float:
    chunks, share = _step(query)
    heads, kv_heads, width = query["heads"], query["kv_heads"], query["width"]
    kind = (kv_heads, width, query["window"])
    table = at.need("gqa", "bfloat16", "bfloat16")[0]
    whole_s = sum(time.seconds for time in whole_requests(at, table, kind, heads, chunks))
    if not query["prefix"]:
        attention = Attention("gqa", heads, num_kv_heads=kv_heads, head_dim=width)
        assert gqa(at, "bf16", attention, query["window"], chunks).seconds == pytest.approx(whole_s)
    rotary = memory_bound(at.gpu, 2 * (heads + kv_heads) * width).seconds
    cache = memory_bound(at.gpu, 2 * kv_heads * width).seconds
    return share * whole_s + 1.1 * 2 * (rotary + cache)
