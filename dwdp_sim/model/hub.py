"""Models by their ids on Hugging Face: those that presets are of, and any other by its `config.json`."""

from __future__ import annotations

import re
from typing import NamedTuple

from dwdp_sim.base.errors import ConfigError

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class KnownModel(NamedTuple):
    """The preset of a model on Hugging Face, and the format in which the experts of that very id are."""

    preset: str
    format: str


KNOWN_MODELS = {
    "deepseek-ai/DeepSeek-R1": KnownModel("deepseek_r1_fp8", "fp8_block"),
    "deepseek-ai/DeepSeek-R1-0528": KnownModel("deepseek_r1_fp8", "fp8_block"),
    "deepseek-ai/DeepSeek-V3": KnownModel("deepseek_r1_fp8", "fp8_block"),
    "deepseek-ai/DeepSeek-V3-0324": KnownModel("deepseek_r1_fp8", "fp8_block"),
    "nvidia/DeepSeek-R1-FP4": KnownModel("deepseek_r1_nvfp4", "nvfp4"),
    "nvidia/DeepSeek-R1-0528-FP4": KnownModel("deepseek_r1_nvfp4", "nvfp4"),
    "Qwen/Qwen3-235B-A22B": KnownModel("qwen3_235b_nvfp4", "bf16"),
    "Qwen/Qwen3-235B-A22B-Instruct-2507": KnownModel("qwen3_235b_nvfp4", "bf16"),
    "Qwen/Qwen3-235B-A22B-Thinking-2507": KnownModel("qwen3_235b_nvfp4", "bf16"),
    "nvidia/Qwen3-235B-A22B-FP4": KnownModel("qwen3_235b_nvfp4", "nvfp4"),
    "openai/gpt-oss-120b": KnownModel("gpt_oss_120b_mxfp4", "mxfp4"),
    "moonshotai/Kimi-K2-Instruct": KnownModel("kimi_k2_nvfp4", "fp8_block"),
    "moonshotai/Kimi-K2-Base": KnownModel("kimi_k2_nvfp4", "fp8_block"),
    "mistralai/Mixtral-8x7B-v0.1": KnownModel("mixtral_8x7b_bf16", "bf16"),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": KnownModel("mixtral_8x7b_bf16", "bf16"),
}
"""By id."""
_BY_LOWER_CASE = {model_id.lower(): known for model_id, known in KNOWN_MODELS.items()}


def is_id(text: str) -> bool:
    """Whether a text has the form of an id, `org/name`."""
    return _ID.fullmatch(text) is not None


def known_model(model_id: str) -> KnownModel | None:
    """The preset of an id, in whatever case it is written; None if there is none."""
    return _BY_LOWER_CASE.get(model_id.lower())


def fetch_config(model_id: str, key: str) -> str:
    """Return the path of a model's `config.json`: in the local cache of Hugging Face, or fetched into it.

    What `huggingface_hub` reads counts here, too: HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE.

    Args:
        model_id: As `org/name`.
        key: The configuration key that names it, for the message.

    Raises:
        ConfigError: `huggingface_hub` is not installed, or there is no such model, or it cannot be fetched.
    """
    try:
        import huggingface_hub as hub  # noqa: PLC0415 - an extra, which only such models need
    except ImportError as error:
        allowed = "is no preset and no folder here; pip install 'dwdp-toolkit[hf]' reads it from Hugging Face"
        raise ConfigError(key, model_id, allowed) from error
    cached = hub.try_to_load_from_cache(model_id, "config.json")
    if isinstance(cached, str):
        return cached
    hub.utils.disable_progress_bars()
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(model_id, "config.json"))  # which does not try again for half a minute
        return str(hub.hf_hub_download(model_id, "config.json"))
    except (hub.errors.GatedRepoError, hub.errors.RepositoryNotFoundError) as error:
        where = f"{hub.constants.ENDPOINT} has no such model, or wants a token of yours (HF_TOKEN)"
        raise ConfigError(key, model_id, where) from error
    except Exception as error:  # whatever a network, a server or a proxy may answer
        said = (str(error).splitlines() or [type(error).__name__])[0]
        where = f"is not in the cache, and {hub.constants.ENDPOINT} does not give its config.json: {said}"
        raise ConfigError(key, model_id, where) from error
