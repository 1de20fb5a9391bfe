"""The names of `import dwdp_sim` are few, typed, lazy, and take names, files and objects alike."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dwdp_sim as dwdp
from dwdp_sim.advice.findings import Effort
from dwdp_sim.base.units import format_seconds
from dwdp_sim.job.build import build_run
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.presets import preset
from dwdp_sim.plan.kinds import RING
from dwdp_sim.results.predict import summarize_run

SMALL = "deepseek_v3_lite_nvfp4"
SHAPE = dwdp.MoEModel("shape", 256, 128, 16, 2, 4, 3, "nvfp4")


def test_every_public_name_is_there_and_listed() -> None:
    assert sorted(dwdp.__all__) == list(dwdp.__all__) == dir(dwdp)
    assert all(getattr(dwdp, name).__doc__ for name in dwdp.__all__)
    with pytest.raises(AttributeError, match="no attribute 'prefetch'"):
        _ = dwdp.prefetch


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("hydra", "pandas", "matplotlib", "scipy", "torch", "simpy")
    program = f"import sys, dwdp_sim; sys.exit(', '.join(name for name in {heavy} if name in sys.modules) or None)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_predict_says_what_the_command_says() -> None:
    found = dwdp.predict(model=SMALL, strategy="batched", dwdp_size=3, with_range=False).summary.to_dict()
    values = {"dwdp.dwdp_size": 3, "workload.range": False}
    asked = summarize_run(build_run(preset(values, model=SMALL, strategy="batched"))).to_dict()
    for summary in (found, asked):
        del summary["wall_s"], summary["config_hash"]
    assert found == asked


def test_a_prediction_shows_itself_as_a_sentence_a_table_a_picture_and_html() -> None:
    found = dwdp.predict(model=SMALL)
    assert found.range_s is not None
    assert found.range_s[0] <= found.latency_s <= found.range_s[1]
    assert found.bound_s < found.latency_s == pytest.approx(sum(found.breakdown.values()))
    assert str(found).count("µs") == 4
    assert list(found.table().index) == [0, 1, 2, 3]
    assert len(found.hypotheses()) > 5
    assert found.plot().axes
    page = found._repr_html_()
    assert f"<p>{found}</p>" in page
    assert f'alt="Picture of: {found}"' in page
    assert "data:image/png;base64," in page
    assert "contention_s" in page
    assert page.count("overflow-x:auto") == 2  # a picture and a table that scroll where they do not fit
    assert format_seconds(float(found.table()["latency_s"].iloc[0])) in page


def test_hypotheses_show_what_they_set() -> None:
    found = dwdp.hypotheses("gb200_nvl72")
    page = found._repr_html_()
    assert f"{len(found)} hypotheses" in page
    assert "in_flight_sources = 1, refill = oldest" in page
    assert "incast_factor_2 = lowest" in page


def test_a_prediction_under_one_hypothesis_is_the_one_in_the_range() -> None:
    starts = dwdp.Starts(draws=2)
    found = dwdp.predict(model=SMALL, starts=starts)
    told_apart = dwdp.hypotheses("gb200_nvl72", program=found.job.program)
    assert [name.split("; or ")[0] for name in found.hypotheses().index] == list(told_apart)
    assert set(told_apart) < set(dwdp.hypotheses())
    cluster, options = told_apart["1 source; fair"].machine(found.job.cluster, found.job.options)
    under = dwdp.predict(model=SMALL, cluster=cluster, options=options, starts=starts, with_range=False)
    (listed,) = (
        row.latency_s for row in found.hypotheses().itertuples() if str(row.Index).startswith("1 source; fair")
    )
    assert under.latency_s == pytest.approx(listed, rel=1e-12)
    assert under.latency_s > found.latency_s


def test_rates_between_gpus_add_up_to_the_bytes_that_moved() -> None:
    found = dwdp.predict(model=SMALL, with_range=False)
    step_s = float(found.timeline.copy_end_s.max()) / 50
    rates = found.rates(np.arange(52) * step_s)
    program = found.job.program
    for source, reader in ((0, 1), (3, 2)):
        moved = program.copy_bytes[(program.copy_src == source) & (program.copy_dst == reader)].sum()
        assert rates[source, reader].sum() * step_s == pytest.approx(moved, rel=1e-6)
    assert rates.shape == (51, 12)


def test_names_files_and_objects_are_taken_alike(tmp_path: Path) -> None:
    copies = {}
    for group, name in (("model", SMALL), ("cluster", "hgx_h200"), ("strategy", "ring")):
        copies[group] = tmp_path / f"my_{group}.yaml"
        copies[group].write_text((config_dir() / group / f"{name}.yaml").read_text())
    by_name = dwdp.predict(model=SMALL, cluster="hgx_h200", strategy="ring", with_range=False)
    by_file = dwdp.predict(**copies, with_range=False)
    objects = (dwdp.load_model(SMALL), dwdp.load_cluster("hgx_h200"), dwdp.Strategy(RING))
    by_object = dwdp.predict(model=objects[0], cluster=objects[1], strategy=objects[2], with_range=False)
    by_record = dwdp.predict(model=objects[0], cluster=objects[1], strategy=RING, with_range=False)
    assert by_name.latency_s == by_file.latency_s == by_object.latency_s == by_record.latency_s
    assert len({(by.job.layer.model, by.job.layer.strategy) for by in (by_name, by_file, by_object, by_record)}) == 1


def test_a_cluster_s_file_may_begin_with_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "my_node.yaml"
    path.write_text("defaults: [gb200_nvl72]\nname: my_node\nnum_gpus: 8\nconstants: {refill: {value: any}}\n")
    mine, shipped = dwdp.load_cluster(path), dwdp.load_cluster("gb200_nvl72")
    assert (mine.name, mine.num_gpus, mine.value("refill")) == ("my_node", 8, "any")
    assert mine.constants["egress_bytes_per_s"] == shipped.constants["egress_bytes_per_s"]


@pytest.mark.parametrize(
    ("constant", "said"),
    [
        (f"{{value: {10**400}}}", r"cluster\.constants\.peer_fixed_s\.value=10+…?.*: at most \d+ fits in 64 bits"),
        (f"{{interval: [1, {10**400}]}}", r"cluster\.constants\.peer_fixed_s\.interval\[1\]=10+.*: at most \d+ fits"),
        (
            "{value: {1: 2, a: 3}}",
            r"cluster\.constants\.peer_fixed_s\.value=.*: keys that are all text, or all numbers",
        ),
    ],
)
def test_numbers_in_a_cluster_s_file_are_checked_as_those_of_the_command_line(
    constant: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "my_node.yaml"
    path.write_text(f"defaults: [gb200_nvl72]\nconstants: {{peer_fixed_s: {constant}}}\n")
    with pytest.raises(dwdp.ConfigError, match=said):
        dwdp.load_cluster(path)


def test_a_hugging_face_file_is_a_model(tmp_path: Path) -> None:
    shape = {
        "hidden_size": 256, "moe_intermediate_size": 128, "num_experts": 16, "num_experts_per_tok": 2,
        "num_hidden_layers": 4, "model_type": "qwen3_moe", "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 64, "intermediate_size": 512,
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(shape))
    assert dwdp.load_model(path, "nvfp4").expert_bytes == SHAPE.expert_bytes
    with pytest.raises(dwdp.ConfigError, match=r"model\.format=missing"):
        dwdp.load_model(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": "gpt5"}, r"model=gpt5: allowed: deepseek_r1_fp8, .*; or a config\.json, a folder with one, or a"),
        ({"cluster": "there_is_none.yaml"}, "cluster=there_is_none.yaml: cannot be read as YAML"),
        ({"strategy": "none.py:own"}, "strategy=none.py: cannot be read as Python"),
        ({"dwdp_size": 300}, "dwdp_size=300"),
        ({"issue_mode": "soon"}, "issue_mode=soon"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(dwdp.ConfigError, match=said) as refused:
        dwdp.predict(**{"model": SMALL, **arguments})  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_forward_steps_of_own_objects_are_compared_seed_by_seed() -> None:
    cluster = dwdp.load_cluster("gb200_nvl72").with_values({"pair_bytes_per_s": 700e9})
    compute = replace(dwdp.load_compute("constant"), window_s=2e-5)
    steps = [
        dwdp.predict_steps(
            model=SHAPE, cluster=cluster, strategy=one, compute=compute, with_range=False, replications=2
        )
        for one in ("default", "batched")
    ]
    assert steps[0].gain_over(steps[0]).mean == 0
    assert steps[1].gain_over(steps[0]).count == 2
    assert steps[0].step_s.mean >= 3 * 2e-5
    page = steps[0]._repr_html_()
    assert "iteration_s" in page
    assert format_seconds(steps[0].step_s.mean) in page
    assert f"{steps[0].tokens_per_s.mean:.4g}" in page  # tokens, no seconds
    assert steps[0].plot().axes


def test_compute_is_measured_kernels_and_a_roofline_where_there_are_none_unless_given() -> None:
    found = {
        cluster: dwdp.predict_steps(model=SMALL, cluster=cluster, with_range=False, replications=1).summary
        for cluster in ("gb300_nvl72", "hgx_h200")
    }
    assert {cluster: summary.compute for cluster, summary in found.items()} == {
        "gb300_nvl72": "silicon",
        "hgx_h200": "sol",
    }
    assert found["hgx_h200"].compute_fallback == "no measured gemm of nvfp4 on h200 with trtllm"
    assert found["gb300_nvl72"].compute_fallback == ""


def test_advice_of_own_objects_names_what_to_choose_and_compares_a_strategy_of_one_s_own() -> None:
    compute = replace(dwdp.load_compute("constant"), window_s=2e-5)
    own = replace(RING, name="mine")
    effort = Effort(screen_layers=2, seeds=(0, 1), copies=1, samples=0)
    advice = dwdp.advise(model=SHAPE, dwdp_size=2, compute=compute, also=(own,), effort=effort)
    assert advice.today.name in ("default", "batched")
    assert advice.sentences
    assert str(advice).startswith(advice.sentences[0][:40])
    page = advice._repr_html_()
    assert "highest_gain" in page
    assert "data:image/png;base64," in page
    labels = [label.get_text() for label in advice.plot().axes[0].get_yticklabels()]
    assert labels == list(advice.table().index)
    assert any("mine" in row["candidate"] for row in advice.to_dict()["screened"])


def test_advice_within_a_time_tells_each_answer_and_says_what_is_missing() -> None:
    compute = replace(dwdp.load_compute("constant"), window_s=2e-5)
    told: list[object] = []
    effort = Effort(screen_layers=2, seeds=(0, 1), copies=1, samples=0)
    advice = dwdp.advise(model=SHAPE, dwdp_size=2, compute=compute, effort=effort, within_s=0.0, on_answer=told.append)
    assert told == [advice]
    assert advice.missing[0] == "hypotheses"
    assert "Not looked at yet: the other hypotheses" in str(advice)
    assert "Not looked at yet: the other hypotheses" in advice._repr_html_()
    assert advice.sentences[0].startswith("So far, over 1 of ")


def test_presets_are_listed_by_group() -> None:
    assert "hf" not in dwdp.presets("model")
    assert {"default", "batched", "paced_rounds"} <= set(dwdp.presets("strategy"))
    assert all(dwdp.load_cluster(name).name for name in dwdp.presets("cluster"))
    assert all(dwdp.load_model(name).name == name for name in dwdp.presets("model"))
    with pytest.raises(dwdp.ConfigError, match="group=gpu: allowed: model, cluster, strategy, compute"):
        dwdp.presets("gpu")


def test_a_program_is_replayed_from_a_file_or_an_object() -> None:
    layer = dwdp.predict(model=SMALL, starts=dwdp.Starts("lockstep"), with_range=False)
    replayed = dwdp.replay(layer.job.program, with_range=False)
    assert list(replayed.table().index) == [0, 1, 2, 3]
    assert replayed.latency_s == pytest.approx(layer.latency_s, rel=1e-12)
    assert sum(replayed.breakdown.values()) == pytest.approx(replayed.latency_s, rel=1e-6)
