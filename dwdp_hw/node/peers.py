"""The cluster that one GPU's advice is for: peers as shipped, the host's costs as measured here."""

from __future__ import annotations

from pathlib import Path

import yaml

from dwdp_hw.rows.host_costs import HOST_COSTS
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.base.user_file import read_yaml
from dwdp_sim.job.config_files import config_dir


def write_peers(shipped: str, fitted: Path, out: Path) -> None:
    """Write the shipped cluster with the host's costs of a fitted one.

    Args:
        shipped: Name of the cluster whose links count.
        fitted: File of the cluster that was fitted to this machine's host link.
        out: File to write; its name is the new cluster's.

    Raises:
        ConfigError: `fitted` cannot be read.
    """
    content = read_yaml(str(config_dir() / "cluster" / f"{shipped}.yaml"), "cluster")
    measured = read_yaml(str(fitted), "cluster")["constants"]
    content["name"] = out.stem
    content["description"] = f"{content['description']}; host costs as measured on this machine"
    content["constants"] |= {name: measured[name] for name in HOST_COSTS if name in measured}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    write_whole(out, lambda temporary: temporary.write_text(text, encoding="utf-8"))
