"""Build a calibration or validation from a composed configuration."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from dwdp_hw.calibration.calibrate import USES
from dwdp_hw.calibration.work import work_of_calibration
from dwdp_hw.cases.case import Settings
from dwdp_hw.cases.incast import FEWEST_GPUS
from dwdp_hw.executors.cuda.gpu import count_gpus
from dwdp_hw.job.measurement import build_settings
from dwdp_hw.job.schema import Cases, Executor, HwConfig, Mode, Source
from dwdp_hw.rows.recording import Recording, pool, read_recording
from dwdp_hw.validation.validate import Bars
from dwdp_sim.base.cores import usable_cores
from dwdp_sim.base.errors import ConfigError, check_choice
from dwdp_sim.fabric.cluster import Cluster
from dwdp_sim.fabric.options import FabricOptions
from dwdp_sim.job.config_values import read_values
from dwdp_sim.job.groups import build_cluster
from dwdp_sim.job.make import check_seed
from dwdp_sim.job.work import check_work

_MOST_ROUNDS = 1000  # more is a typing error


@dataclass(frozen=True)
class CheckJob:
    """A checked configuration.

    Attributes:
        mode: `calibrate` or `validate`.
        recordings: Recorded rows; empty for live ones.
        gpus: GPUs of this machine, for live rows; with `backend.executor=host`, the ranks that stand for them.
        settings: How live rows are measured.
        cases: Which a live validation measures: `validation` or `incast`.
        limit_s: When a live validation ends, in seconds; None for no limit.
        every_rule: Whether incast is predicted under every hypothesis about what is unmeasured (`workload.range`).
        workers: Processes for these predictions.
        cluster: Where a calibration starts, or whose constants predict.
        options: The model's rules.
        name: Of a calibrated cluster.
        out: Where to write it; None for the run folder.
        use: Rows a calibration takes: `design` or `all`.
        bars: What a validation must reach.
        rounds: Most rounds of a live calibration.
        seed: Of the order of live cases.
        config: The resolved configuration.
    """

    mode: Mode
    recordings: tuple[Recording, ...]
    gpus: int
    settings: Settings
    cases: Cases
    limit_s: float | None
    every_rule: bool
    workers: int
    cluster: Cluster
    options: FabricOptions
    name: str
    out: Path | None
    use: str
    bars: Bars
    rounds: int
    seed: int
    config: dict[str, Any]


def build_check(composed: DictConfig) -> CheckJob:
    """Check a composed configuration and read its rows.

    Raises:
        ConfigError: Something in it cannot be used.
        NoGpuError: Live rows are wanted and there is no GPU.
    """
    config: HwConfig = read_values(composed)
    check = config.check
    check_seed(config.seed)
    check_choice("check.use", check.use, USES)
    if not 1 <= check.rounds <= _MOST_ROUNDS:
        raise ConfigError("check.rounds", check.rounds, f"must be from 1 to {_MOST_ROUNDS}")
    for bar in ("p95", "median", "largest", "step_median", "step_largest"):
        if not 0 < getattr(check, bar) < 1:
            raise ConfigError(f"check.{bar}", getattr(check, bar), "a fraction between 0 and 1 is wanted, such as 0.03")
    if check.limit_s is not None and not check.limit_s > 0:
        raise ConfigError("check.limit_s", check.limit_s, "seconds above zero are wanted")
    if check.out is not None:
        _check_writable("check.out", Path(check.out))
    live = config.source is Source.live
    recordings = () if live else _recordings(config.rows)
    gpus = _count_ranks(config) if live else 0
    if live and check.cases is Cases.incast and gpus < FEWEST_GPUS:
        raise ConfigError("check.cases", check.cases.value, f"needs {FEWEST_GPUS} GPUs or more, and here are {gpus}")
    cluster, options = build_cluster(config.cluster), FabricOptions(**vars(config.fabric))
    if recordings and config.mode is Mode.calibrate:
        check_work(work_of_calibration(recordings, cluster, options, check.use), config.limits)
    return CheckJob(
        mode=config.mode,
        recordings=recordings,
        gpus=gpus,
        settings=build_settings(config.backend),
        cases=check.cases,
        limit_s=check.limit_s,
        every_rule=config.workload.range,
        workers=config.workers or usable_cores(),
        cluster=cluster,
        options=options,
        name=check.name or f"{cluster.name}_calibrated",
        out=None if check.out is None else Path(check.out),
        use=check.use,
        bars=Bars(check.p95, check.median, check.largest, check.step_median, check.step_largest),
        rounds=check.rounds,
        seed=config.seed,
        config=cast(dict[str, Any], OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)),
    )


def _count_ranks(config: HwConfig) -> int:
    """GPUs of this machine, or on host memory as many ranks as the group is asked to have.

    Raises:
        ConfigError: Host memory is asked for what needs GPUs.
    """
    if config.backend.executor is Executor.cuda:
        return count_gpus()
    if config.mode is not Mode.validate or config.check.cases is not Cases.incast:
        allowed = "host memory rehearses mode=validate check.cases=incast only; its times say nothing of a GPU's"
        raise ConfigError("backend.executor", config.backend.executor.value, allowed)
    return config.dwdp.dwdp_size


def _check_writable(key: str, path: Path) -> None:
    """Refuse a path that could not be written once the measurements are done; leaves nothing behind."""
    try:
        if path.exists() and not path.is_file():
            raise OSError(None, "not a regular file")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(key, path, f"cannot be written: {error.strerror}") from error


def _recordings(rows: Any) -> tuple[Recording, ...]:
    if rows is None or rows == []:
        raise ConfigError("rows", "missing", "recorded rows are wanted, as rows=FILE or rows=[FILE,FILE]")
    paths = list(rows) if isinstance(rows, list) else [rows]
    recordings = tuple(read_recording(str(path)) for path in paths)
    pool(recordings)
    if len({recording.sha256 for recording in recordings}) < len(recordings):
        raise ConfigError("rows", ", ".join(map(str, paths)), "the same file is listed twice")
    if not any(recording.rows or recording.steps for recording in recordings):
        raise ConfigError("rows", ", ".join(map(str, paths)), "no row in it times copies or forward steps")
    return recordings
