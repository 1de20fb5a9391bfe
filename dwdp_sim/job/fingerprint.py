"""Hash configurations, so that equal ones are recognised."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from dwdp_sim.base.user_file import read_data
from dwdp_sim.job.schema import SimConfig
from dwdp_sim.plan.strategy_file import hash_kind

NOT_HASHED = ("results_dir", "sweep", "limits", "workers", "engine", "json")  # they change no result
_FILE_KEYS = (
    ("model", "config_json"),
    ("dwdp", "trtllm_yaml"),
    ("workload", "file"),
    ("workload", "lengths"),
    ("compute", "file"),
)


def hash_config(config: SimConfig) -> str:
    """Return the SHA-256 of a configuration: files count by contents, not by path, and output folders not at all."""
    content = asdict(config)
    for key in NOT_HASHED:
        del content[key]
    for group, key in _FILE_KEYS:
        path = content[group][key]
        if path is not None:
            content[group][key] = hashlib.sha256(read_data(path, f"{group}.{key}", "a file")).hexdigest()
    path = content["strategy"].pop("path")
    if path is not None:
        content["strategy"]["file"] = hash_kind(path, "strategy.path")
    if "advise" in content:
        del content["advise"]["within"]  # when to stop, not what is compared
        also = content["advise"]["also"]
        content["advise"]["also"] = None if also is None else hash_kind(also, "advise.also")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
