"""Search a strategy's parameters: all combinations where they are few, otherwise a tree of Parzen estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from dwdp_sim.config import StrategyConfig
from dwdp_sim.errors import ConfigError
from dwdp_sim.tune.config import TuneConfig

if TYPE_CHECKING:
    import optuna

# The files of conf/strategy as what sets them apart: (name, barrier).
STRATEGIES = {
    "default": ("default", "none"),
    "ring": ("ring", "none"),
    "batched": ("batched", "none"),
    "batched_per_round": ("batched_per_round", "none"),
    "paced_rounds": ("batched_per_round", "group"),
    "waves": ("waves", "none"),
}
ONE_BY_ONE = ("default", "ring")
ALIKE = 0.005  # trials closer to the best than this are not told apart by anything that has been measured
_EASE = ("default", "batched", "ring", "batched_per_round", "waves", "paced_rounds")  # what engines offer comes first
_OFFERED_SLICE = "2MiB"
_WHOLE = "null"  # of slice_bytes: whole pulls
_ASKED_PER_TRIAL = 20


@dataclass(frozen=True)
class Choice:
    """One combination of strategy parameters; None where the strategy does not read one.

    Attributes:
        strategy: A file of conf/strategy.
        slice_bytes: As in the configuration; `null` for whole pulls.
        wave_copies: Copies of a wave.
    """

    strategy: str
    slice_bytes: str | None = None
    wave_copies: int | None = None

    def overrides(self) -> list[str]:
        """What makes `dwdp-sim` run it."""
        texts = [f"strategy={self.strategy}"]
        texts += [] if self.slice_bytes is None else [f"strategy.slice_bytes={self.slice_bytes}"]
        return texts + ([] if self.wave_copies is None else [f"strategy.wave_copies={self.wave_copies}"])

    def apply(self, to: StrategyConfig) -> StrategyConfig:
        """`to` with this choice in it."""
        name, barrier = STRATEGIES[self.strategy]
        size = None if self.slice_bytes in (None, _WHOLE) else self.slice_bytes
        waves = to.wave_copies if self.wave_copies is None else self.wave_copies
        return replace(to, name=name, barrier=barrier, slice_bytes=size, wave_copies=waves, call_rounds=1)


@dataclass(frozen=True)
class Trial:
    """A choice that was tried, and what it gave in seconds."""

    choice: Choice
    value_s: float


def choices(tune: TuneConfig) -> list[Choice]:
    """Every combination that makes a difference.

    Raises:
        ConfigError: There is nothing to choose from.
    """
    for key in ("strategies", "slice_bytes", "wave_copies"):
        if not getattr(tune, key):
            raise ConfigError(f"tune.{key}", "[]", "at least one is wanted")
    found: list[Choice] = []
    for strategy in tune.strategies:
        if strategy not in STRATEGIES:
            raise ConfigError("tune.strategies", strategy, f"allowed: {', '.join(STRATEGIES)}")
        sizes = [None] if strategy in ONE_BY_ONE else _sizes(tune)
        waves = tune.wave_copies if strategy == "waves" else [None]
        found += [Choice(strategy, size, wave) for size, wave in product(sizes, waves)]
    return list(dict.fromkeys(found))


def search(tune: TuneConfig, seed: int, measure: Callable[[Choice], float]) -> list[Trial]:
    """Try choices, and return them best first; equal arguments give equal answers.

    Args:
        tune: What to try.
        seed: Of the estimators.
        measure: Seconds under a choice; it is asked once for each choice.

    Raises:
        ConfigError: There is nothing to choose from, or Optuna is needed and not installed.
    """
    space = choices(tune)
    if len(space) <= tune.trials:
        trials = [Trial(choice, measure(choice)) for choice in space]
    else:
        trials = _estimate(tune, space, seed, measure)
    return sorted(trials, key=lambda trial: trial.value_s)


def alike(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that come within half a percent of the best, what is easiest to have first.

    Args:
        trials: As `search` returns them.
    """
    near = [trial for trial in trials if trial.value_s <= trials[0].value_s * (1 + ALIKE)]
    return sorted(near, key=lambda t: (_EASE.index(t.choice.strategy), t.choice.slice_bytes != _OFFERED_SLICE))


def _sizes(tune: TuneConfig) -> list[str]:
    return [_WHOLE if size is None else str(size) for size in tune.slice_bytes]


def _estimate(tune: TuneConfig, space: list[Choice], seed: int, measure: Callable[[Choice], float]) -> list[Trial]:
    """Optuna's TPE over the strategy, then over what that strategy reads, until enough different choices are known."""
    try:
        import optuna  # noqa: PLC0415 (an extra, which trying everything does not need)
    except ModuleNotFoundError as error:
        needed = f"fewer than all {len(space)} combinations need Optuna: pip install dwdp-toolkit[sweep]"
        raise ConfigError("tune.trials", tune.trials, needed) from error
    known: dict[Choice, float] = {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    if "default" in tune.strategies:
        study.enqueue_trial({"strategy": "default"})  # what everything else must beat
    for _ in range(_ASKED_PER_TRIAL * tune.trials):  # it asks again for what it likes, which costs nothing
        if len(known) == tune.trials:
            break
        trial = study.ask()
        choice = _suggest(trial, tune)
        assert choice in space
        if choice not in known:
            known[choice] = measure(choice)
        study.tell(trial, known[choice])
    return [Trial(choice, value) for choice, value in known.items()]


def _suggest(trial: optuna.Trial, tune: TuneConfig) -> Choice:
    strategy = trial.suggest_categorical("strategy", tune.strategies)
    size = None if strategy in ONE_BY_ONE else trial.suggest_categorical("slice_bytes", _sizes(tune))
    wave = trial.suggest_categorical("wave_copies", tune.wave_copies) if strategy == "waves" else None
    return Choice(strategy, size, wave)
