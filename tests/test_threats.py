"""What docs/threats.md says of configuration: outside Hydra's own node nothing in it names what is to be run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_dir
from dwdp_sim.job.schema import SimConfig, register_schemas

ROOT = Path(__file__).resolve().parents[1]
NODES = ("model", "model.attention", "cluster", "cluster.constants.fabric", "strategy", "workload", "compute", "dwdp")


@pytest.mark.parametrize("node", ["", *(f"{node}." for node in (*NODES, "fabric", "sweep"))])
def test_no_node_takes_a_target(node: str) -> None:
    register_schemas()
    with pytest.raises((ConfigError, HydraException, OmegaConfBaseException), match="_target_"):
        compose("config", SimConfig, [f"+{node}_target_=os.getcwd"], [str(config_dir())])


def test_pickles_are_loaded_where_the_page_says_and_nowhere_else() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("dwdp_sim", "dwdp_hw")
        for path in (ROOT / package).rglob("*.py")
        if "pickle.load" in path.read_text(encoding="utf-8") or "allow_pickle=True" in path.read_text(encoding="utf-8")
    }
    of_a_pool = {"dwdp_sim/fabric/process_workers.py", "dwdp_sim/fabric/worker_process.py"}
    assert found == {"dwdp_sim/sweep/compose_many.py", "dwdp_hw/run/worker.py", *of_a_pool}
