"""What a model may be called: a preset, a Hugging Face `config.json`, a folder with one, or an id on Hugging Face."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import read_yaml
from dwdp_sim.job.config_files import config_dir, group_options
from dwdp_sim.job.hydra_words import quoted, unquoted
from dwdp_sim.model.hub import fetch_config, is_id, known_model

_KEY = "model"
_FROM_FILE = "hf"  # the option of the group that takes its shape from model.config_json
_OF_HYDRA = "([{$"  # functions, lists and interpolations of its grammar


@dataclass(frozen=True)
class FoundModel:
    """Where a model's shape comes from.

    Attributes:
        preset: A preset's name; empty if it is read from a file.
        config_json: Path of its `config.json`; empty of a preset.
        name: What results call it; empty for what the file says.
        note: What the user should know about the choice; empty if nothing.
    """

    preset: str = ""
    config_json: str = ""
    name: str = ""
    note: str = ""


def find_model(said: str, presets: Collection[str], weight_format: str | None = None) -> FoundModel:
    """Find what a user calls a model.

    Args:
        said: A preset's name, the path of a `config.json`, a folder with one, or an id `org/name`.
        presets: Names of the presets.
        weight_format: In which format its weights are to be; unset: as preset or file say.

    Raises:
        ConfigError: There is no such model.
    """
    if said in presets:
        return FoundModel(preset=said)
    inside = os.path.join(said, "config.json")
    if os.path.isdir(said) and os.path.isfile(inside):
        return FoundModel(config_json=inside)
    if said.endswith(".json"):
        return FoundModel(config_json=said)
    known = known_model(said)
    if known is not None and known.preset in presets:
        return FoundModel(preset=known.preset, note=_other_format(said, known.preset, known.format, weight_format))
    if not is_id(said) or os.path.isdir(said):
        files = "a config.json, a folder with one, or a Hugging Face id (org/name)"
        raise ConfigError(_KEY, said, f"allowed: {', '.join(sorted(presets))}; or {files}")
    return FoundModel(config_json=fetch_config(said, _KEY), name=said.partition("/")[2])


def with_models_found(words: Sequence[str], folders: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a command line in which Hydra understands every model, and notes for the user.

    Args:
        words: Of the command line; only `model=…` changes. A list of models is one of presets or one of files.
        folders: Where configuration files are.

    Raises:
        ConfigError: There is no such model, or a list has presets and files.
    """
    presets, formats = (
        group_options(_KEY, folders),
        [w.partition("=")[2] for w in words if w.startswith("model.format=")],
    )
    changed, notes = list[str](), list[str]()
    for word in words:
        key, _, value = word.partition("=")
        if key != _KEY or not value or set(value) & set(_OF_HYDRA) or value == "null":
            changed.append(word)
            continue
        models = [find_model(unquoted(said), presets, formats[-1] if formats else None) for said in value.split(",")]
        notes += [model.note for model in models if model.note]
        changed += _overrides(value, models)
    return changed, notes


def _overrides(said: str, models: Sequence[FoundModel]) -> list[str]:
    files = [model.config_json for model in models if model.config_json]
    if not files:
        return [f"{_KEY}={','.join(model.preset for model in models)}"]
    if len(files) < len(models):
        raise ConfigError(_KEY, said, "a list has either presets or files; two sweeps into one results_dir do both")
    name = [f"{_KEY}.name={quoted(models[0].name)}"] if len(models) == 1 and models[0].name else []
    return [f"{_KEY}={_FROM_FILE}", f"{_KEY}.config_json={','.join(map(quoted, files))}", *name]


def _other_format(said: str, preset: str, own: str, wanted: str | None) -> str:
    """A note where the preset of an id has other weights than the id itself, unless the user has chosen."""
    path = config_dir() / "model" / f"{preset}.yaml"
    stands_for = read_yaml(str(path), _KEY)["format"]
    if wanted or stands_for == own:
        return ""
    return f"{said} stands for {preset}, whose experts are {stands_for}; its own are {own} (model.format={own})"
