"""Tables that ship with the project, and full ones: what is read, and what a file that cannot be read says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import yaml

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.silicon.curves import Curve
from dwdp_sim.silicon.preset_file import FILE, read_presets, write_presets
from dwdp_sim.silicon.roofs import Gpu
from dwdp_sim.silicon.table import AXES, Source, Table
from dwdp_sim.silicon.tables import Tables

GPU = Gpu("toy", {"bfloat16": 1e15, "fp8": 2e15}, 3e12, 0.8, 3e-6, 4.5e11, "2.0")
ABOUT = {"origin": "toy", "attribution": "nobody"}


def toy_tables() -> list[Table]:
    curves: dict[tuple[int, ...], Curve] = {
        (32, 64): Curve(np.array([1, 8], dtype=np.int64), np.array([1e-6, 2e-6])),
        (8, 64): Curve(np.array([4], dtype=np.int64), np.array([3e-6])),
    }
    return [Table(Source("toy", "trtllm", "gemm", "1.0", "k", "bfloat16", ""), curves)]


def test_the_shipped_file_names_its_origin_and_is_small() -> None:
    tables, gpus, about = read_presets(FILE)
    assert list(gpus) == ["gb200", "gb300", "b200", "h200", "h100"]
    assert "NVIDIA" in about["attribution"]
    assert "Apache-2.0" in about["attribution"]
    assert about["wheel"].startswith("aiconfigurator_core-0.12.0")
    assert about["sha256"] in FILE.with_name("README.md").read_text(encoding="utf-8")
    assert FILE.stat().st_size < 1e6
    assert {table.source.op for table in tables} == set(AXES)
    assert all(len(shape) + 1 == len(AXES[table.source.op]) for table in tables for shape in table.curves)
    assert all((np.diff(curve.x) > 0).all() for table in tables for curve in table.curves.values())


def test_what_is_written_is_read_again_in_order_and_the_same_tables_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_presets(tmp_path / name, toy_tables(), [GPU], ABOUT)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    tables, gpus, about = read_presets(tmp_path / "one")
    assert about == ABOUT
    assert gpus["toy"].__dict__ == GPU.__dict__
    assert tables[0].source == toy_tables()[0].source
    assert list(tables[0].curves) == [(32, 64), (8, 64)]
    assert tables[0].curves[32, 64].seconds == pytest.approx([1e-6, 2e-6], rel=1e-7)


@pytest.mark.parametrize("damage", ["cut", "text", "foreign", "flipped", "missing"])
def test_a_file_that_is_no_preset_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "presets.npz"
    write_presets(path, toy_tables(), [GPU], ABOUT)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    elif damage == "foreign":
        np.savez(path, about=np.array(json.dumps({"layout": "theirs"})))
    elif damage == "flipped":
        place = content.index(b"x.npy") + 60
        path.write_bytes(content[:place] + bytes(255 - c for c in content[place : place + 20]) + content[place + 20 :])
    else:
        path.unlink()
    with pytest.raises(ConfigError, match="install the package anew") as error:
        read_presets(path)
    assert "\n" not in str(error.value)


def test_a_gpu_goes_by_its_name_in_any_case_and_with_its_socket() -> None:
    presets = Tables.presets()
    assert presets is Tables.presets()
    assert presets.on("GB200", "trtllm").gpu is presets.on("gb200", "trtllm").gpu
    assert presets.on("b200_sxm", "sglang").gpu.name == "b200"


@pytest.mark.parametrize(
    ("gpu", "backend", "message"),
    [
        (
            "a100",
            "trtllm",
            "compute.gpu=a100: no measured kernels of a100 here, only of gb200, gb300, b200, h200, h100; others may ",
        ),
        ("gb200", "vllm", "compute.backend=vllm: allowed: trtllm, sglang"),
    ],
)
def test_an_unknown_place_is_refused_with_the_known_ones(gpu: str, backend: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Tables.presets().on(gpu, backend)


def checkout(folder: Path) -> Path:
    """A small checkout: one GPU, one engine in two versions."""
    systems = folder / "package/src/systems"
    description = {
        "gpu": {
            "mem_bw": 3e12, "mem_bw_empirical_scaling_factor": 0.8, "mem_empirical_constant_latency": 3e-6,
            "bfloat16_tc_flops": 1e15, "fp8_tc_flops": 2e15,
        },
        "node": {"intra_node_bw": 4.5e11},
        "misc": {"nccl_version": 2.3},
    }  # fmt: skip
    (systems / "data/toy_sxm").mkdir(parents=True)
    (systems / "toy_sxm.yaml").write_text(yaml.safe_dump(description))
    (systems / "query_versions.yaml").write_text(yaml.safe_dump({"defaults": {"trtllm": {"current": "1.0rc20"}}}))
    for version, latency in (("1.0rc9", 9.0), ("1.0rc20", 1.0)):
        write(
            systems / f"data/toy_sxm/gemm/trtllm/{version}/gemm_perf.parquet",
            kernel_source=["k"] * 4, gemm_dtype=["bfloat16"] * 4, m=[8, 4, 8, 4], n=[32, 32, 32, 16], k=[64] * 4,
            latency=[latency, 2.0, 7.0, 3.0],
        )  # fmt: skip
    write(
        systems / "data/toy_sxm/attention/trtllm/1.0rc20/context_attention_perf.parquet",
        kernel_source=["k"] * 2, attn_dtype=["fp8"] * 2, kv_cache_dtype=["fp8"] * 2, num_heads=[8, 8],
        num_key_value_heads=[8, 2], head_dim=[64] * 2, window_size=[0] * 2, batch_size=[1, 1], isl=[16, 16],
        latency=[1.0, 2.0],
    )  # fmt: skip
    write(
        systems / "data/toy_sxm/comm/trtllm/1.0rc9/moe_a2a_perf.parquet",
        comm_backend=["deepep"], comm_dtype=["fp8"], phase=["dispatch"], hidden_size=[64], num_experts=[8], topk=[2],
        ep_size=[4], num_tokens=[16], latency=[5.0],
    )  # fmt: skip
    return systems


def write(path: Path, **columns: Any) -> None:
    path.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def test_a_checkout_gives_the_current_version_with_the_first_of_double_rows(tmp_path: Path) -> None:
    checkout(tmp_path)
    kernels = Tables.read(str(tmp_path), "toy", "trtllm").on("toy", "trtllm")
    (table,) = kernels.of("gemm")
    assert table.source == Source("toy", "trtllm", "gemm", "1.0rc20", "k", "bfloat16", "")
    assert list(table.curves) == [(32, 64), (16, 64)]
    assert table.curves[32, 64].x.tolist() == [4, 8]
    assert table.curves[32, 64].seconds.tolist() == [2e-3, 1e-3]
    assert (kernels.gpu.nccl_version, kernels.gpu.link_bytes_per_s) == ("2.3", 4.5e11)
    assert kernels.of("moe") == ()


def test_another_version_is_read_where_it_is_asked_for_and_refused_where_it_is_not_there(tmp_path: Path) -> None:
    checkout(tmp_path)
    older = Tables.read(str(tmp_path), "toy", "trtllm", "1.0rc9").on("toy", "trtllm")
    assert older.of("gemm")[0].curves[32, 64].seconds.tolist() == [2e-3, 9e-3]
    with pytest.raises(ConfigError, match=r"compute.version=2.0: gemm of toy has: 1.0rc9, 1.0rc20"):
        Tables.read(str(tmp_path), "toy", "trtllm", "2.0")


def test_columns_of_attention_and_exchanges_are_understood(tmp_path: Path) -> None:
    checkout(tmp_path)
    kernels = Tables.read(str(tmp_path), "toy", "trtllm").on("toy", "trtllm")
    (attention,) = kernels.of("gqa", "fp8", "fp8")
    assert set(attention.curves) == {(0, 64, 0, 8, 1), (2, 64, 0, 8, 1)}  # as many key heads as query heads: 0
    (exchange,) = kernels.of("a2a")
    assert exchange.curves[64, 8, 2, 4].seconds.tolist() == [5e-6]  # microseconds there


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "data/toy_sxm/gemm/trtllm/1.0rc20/gemm_perf.parquet",
            "version https://git-lfs",
            "is no table of gemm or is dam",
        ),
        ("toy_sxm.yaml", "gpu: {}", "is no description of a GPU"),
        ("query_versions.yaml", "defaults: {}", "names no current version of trtllm"),
    ],
)
def test_a_damaged_checkout_is_refused_in_one_line(tmp_path: Path, file: str, content: str, message: str) -> None:
    (checkout(tmp_path) / file).write_text(content)
    with pytest.raises(ConfigError, match=message) as error:
        Tables.read(str(tmp_path), "toy", "trtllm")
    assert "\n" not in str(error.value)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    file = checkout(tmp_path) / "data/toy_sxm/gemm/trtllm/1.0rc20/gemm_perf.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"m": [1]}), file)
    with pytest.raises(ConfigError, match="is no table of gemm or is damaged"):
        Tables.read(str(tmp_path), "toy", "trtllm")


def test_what_is_not_there_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ConfigError, match=r"holds no query_versions\.yaml; a checkout or wheel of aiconfigurator is wanted"
    ):
        Tables.read(str(tmp_path), "toy", "trtllm")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'dwdp-toolkit\[silicon\]'"):
        Tables.read(None, "gb200", "trtllm")
    checkout(tmp_path)
    with pytest.raises(ConfigError, match=r"compute\.gpu=gb200: no measured kernels of gb200 here, only of toy"):
        Tables.read(str(tmp_path), "gb200", "trtllm")
    with pytest.raises(ConfigError, match="has no tables for toy"):
        Tables.read(str(tmp_path), "toy", "sglang")


def test_an_installed_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systems = checkout(tmp_path)
    installed = tmp_path / "aiconfigurator_core"
    installed.mkdir()
    (installed / "__init__.py").touch()
    systems.rename(installed / "systems")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert Tables.read(None, "toy", "trtllm").origin == str(installed / "systems")
