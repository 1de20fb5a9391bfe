"""A model by any of its names, wherever one is named."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import dwdp_sim as dwdp
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.model_names import find_model, with_models_found
from dwdp_sim.model.hub import KNOWN_MODELS
from tests.dwdp_sim.job.test_resolve import MIXTRAL
from tests.dwdp_sim.model.hub_server import environment, hub

FOLDERS = [str(config_dir())]
BF16 = MIXTRAL | {"torch_dtype": "bfloat16"}
SMALL = ["model.num_layers=2", "workload.range=false", "workload.draws=1", "hydra.run.dir=out"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with models as people have them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for path in ("mine/config.json", "qwen3.json", "a b's.json"):
        (tmp_path / path).write_text(json.dumps(BF16))
    return tmp_path


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("kimi_k2_nvfp4", ["model=kimi_k2_nvfp4"]),
        ("mine", ["model=hf", "model.config_json=mine/config.json"]),
        ("./mine", ["model=hf", "model.config_json=./mine/config.json"]),
        ("qwen3.json", ["model=hf", "model.config_json=qwen3.json"]),
        (r"'a b\'s.json'", ["model=hf", r"model.config_json='a b\'s.json'"]),
        ("openai/gpt-oss-120b", ["model=gpt_oss_120b_mxfp4"]),
        ("OpenAI/GPT-OSS-120b", ["model=gpt_oss_120b_mxfp4"]),
        ("openai/gpt-oss-120b,kimi_k2_nvfp4", ["model=gpt_oss_120b_mxfp4,kimi_k2_nvfp4"]),
        ("qwen3.json,mine", ["model=hf", "model.config_json=qwen3.json,mine/config.json"]),
        ("glob(deepseek*)", ["model=glob(deepseek*)"]),
        ("null", ["model=null"]),
    ],
)
def test_hydra_is_told_what_it_understands(folder: Path, said: str, found: list[str]) -> None:
    words = ["-m", f"model={said}", "model.name=x", "seed=1"]
    assert with_models_found(words, FOLDERS) == (["-m", *found, "model.name=x", "seed=1"], [])


@pytest.mark.parametrize("said", ["kimi", "gpt-oss", "org/name/more", "mine/none", "x" * 1000, ""])
def test_what_is_no_model_is_refused_with_what_is_allowed(folder: Path, said: str) -> None:
    with pytest.raises(ConfigError, match=r"allowed: .*kimi_k2_nvfp4.*; or a config\.json, .* \(org/name\)") as error:
        find_model(said, {"kimi_k2_nvfp4"}) if said != "mine/none" else find_model("mine/none/", {"kimi_k2_nvfp4"})
    assert "\n" not in str(error.value)


def test_a_list_has_presets_or_files(folder: Path) -> None:
    with pytest.raises(ConfigError, match="a list has either presets or files"):
        with_models_found(["model=qwen3.json,kimi_k2_nvfp4"], FOLDERS)


def test_a_preset_of_another_format_than_the_id_is_said_unless_the_user_has_chosen() -> None:
    said = "Qwen/Qwen3-235B-A22B"
    _, (note,) = with_models_found([f"model={said}"], FOLDERS)
    assert note == f"{said} stands for qwen3_235b_nvfp4, whose experts are nvfp4; its own are bf16 (model.format=bf16)"
    assert with_models_found([f"model={said}", "model.format=bf16"], FOLDERS)[1] == []
    with pytest.warns(UserWarning, match="its own are bf16"):
        assert dwdp.load_model(said).weight_format == "nvfp4"
    assert dwdp.load_model(said, "bf16").weight_format == "bf16"


def test_every_known_id_has_a_preset_whose_source_names_its_model() -> None:
    for model_id, known in KNOWN_MODELS.items():
        text = (config_dir() / "model" / f"{known.preset}.yaml").read_text()
        assert known.format in ("bf16", "fp8_block", "mxfp4", "nvfp4")
        of_its_maker = model_id.startswith("nvidia/")
        assert of_its_maker == (known.format == "nvfp4"), model_id
        assert not of_its_maker or yaml.safe_load(text)["format"] == known.format


def test_python_takes_the_same_names(folder: Path) -> None:
    names = {name: dwdp.load_model(name) for name in ("mine", "qwen3.json", Path("mine"))}
    assert {model.weight_format for model in names.values()} == {"bf16"}
    assert dwdp.load_model("mistralai/Mixtral-8x7B-v0.1").name == "mixtral_8x7b_bf16"
    with pytest.raises(ConfigError, match="model=mixtral: allowed: deepseek_r1_fp8, "):
        dwdp.load_model("mixtral")


@pytest.mark.skipif(importlib.util.find_spec("huggingface_hub") is not None, reason="huggingface_hub is installed")
def test_without_huggingface_hub_the_message_names_the_extra() -> None:
    with pytest.raises(ConfigError, match=r"^model=org/name: is no preset .*pip install 'dwdp-toolkit\[hf\]'"):
        find_model("org/name", ())


def run(*words: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dwdp_sim.app", *words, *SMALL]
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.skipif(importlib.util.find_spec("huggingface_hub") is None, reason="needs the extra hf")
def test_an_id_is_fetched_once_and_then_found_in_the_cache(tmp_path: Path) -> None:
    with hub({"some-org/Some-MoE": BF16, "some-org/Dense": {"hidden_size": 8, "num_hidden_layers": 2}}) as server:
        env = environment(server, tmp_path / "home")
        first = run("model=some-org/Some-MoE", env=env, cwd=tmp_path)
        assert (first.returncode, first.stderr) == (0, "")
        assert "Some-MoE on gb200_nvl72" in first.stdout
        assert "/some-org/Some-MoE/resolve/main/config.json" in server.asked
        server.asked.clear()
        assert run("model=some-org/Some-MoE", env=env, cwd=tmp_path).returncode == 0
        assert server.asked == []
        missing = run("model=some-org/None", env=env, cwd=tmp_path)
        assert missing.returncode == 2
        assert missing.stderr == (
            f"app.py: model=some-org/None: http://127.0.0.1:{server.server_port} has no such model, or wants a token "
            "of yours (HF_TOKEN)\n"
        )
        dense = run("model=some-org/Dense", env=env, cwd=tmp_path)
        assert (dense.returncode, dense.stderr.count("\n")) == (2, 1)
        assert "give model.intermediate_size=… model.num_experts=… model.top_k=…" in dense.stderr
    gone = run("model=some-org/Other", env=env, cwd=tmp_path)
    assert (gone.returncode, gone.stderr.count("\n")) == (2, 1)
    assert "is not in the cache, and http://127.0.0.1:" in gone.stderr
    assert "does not give its config.json: " in gone.stderr
    assert run("model=some-org/Some-MoE", env=env, cwd=tmp_path).returncode == 0
