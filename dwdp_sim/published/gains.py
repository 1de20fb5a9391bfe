"""Published gains of DWDP over DEP, and of batched over default copies, with windows from measured kernels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dwdp_sim.published.assumptions import Assumption
from dwdp_sim.published.cases import BREAKDOWN, Case
from dwdp_sim.published.row import BLOG, SGLANG, PublishedRow, Ranged, published_row
from dwdp_sim.published.trials import Trials

# Tokens a second and GPU over DEP; without the mitigation by batched copies unless two figures stand there.
BY_ISL = {1024: 1.11, 8192: 1.10, 16384: 1.09, 32768: 1.09}
BY_TOKENS = {16384: 1.01, 32768: 1.10}
MITIGATION = {
    (0.5, 16384): (0.995, 1.081),
    (0.5, 32768): (1.140, 1.139),
    (0.8, 16384): (1.039, 1.053),
    (0.8, 32768): (1.098, 1.109),
}
SGLANG_BY_ISL = {4096: 1.16, 8192: 1.37, 16384: 1.18}
PEER_COPY_MS = 7.40

_KERNELS = "measured kernels; NVFP4 projections and FP8 cache, by bounds on the published breakdown"
_RANKS = "experts placed so that ranks are evenly loaded"


def isl_case(isl: int) -> Case:
    """The table by input length."""
    return Case(isl, 0.8, 32768)


def sglang_case(isl: int) -> Case:
    """What sglang published."""
    return Case(isl, 1.0, 16384, model="gpt_oss_120b_mxfp4")


def gain_cases() -> list[Case]:
    """Every case that gains are read from; each once."""
    by_isl = [isl_case(isl) for isl in BY_ISL]
    mitigated = [Case(8192, ratio, tokens) for ratio, tokens in MITIGATION]
    return list(dict.fromkeys([*by_isl, *mitigated, *(case.batched for case in mitigated)]))


def sglang_cases() -> list[Case]:
    """sglang's three."""
    return [sglang_case(isl) for isl in SGLANG_BY_ISL]


def gain_rows(trials: Trials) -> list[PublishedRow]:
    """The tables by input length and by tokens of a step, then what batched copies add."""
    assumed = f"{_KERNELS}; {_RANKS}"
    rows = [_over_dep(trials, isl_case(isl), f"ISL {isl}", gain, assumed) for isl, gain in BY_ISL.items()]
    rows += [_over_dep(trials, Case(8192, 0.8, n), f"{n} tokens", gain, assumed) for n, gain in BY_TOKENS.items()]
    for (ratio, tokens), (without, published) in MITIGATION.items():
        case, at = Case(8192, ratio, tokens), f"{tokens} tokens, {ratio}"
        rows.append(_over_dep(trials, case, f"default, {at}", without, assumed))
        rows.append(_over_dep(trials, case.batched, f"batched, {at}", published, assumed))
        found = mitigation(trials, case)
        gain = 100 * (published / without - 1)
        rows.append(published_row(f"batched over default: {at}", "%", gain, found, f"{_KERNELS}; host time hidden"))
    return rows


def mitigation(trials: Trials, case: Case) -> Ranged:
    """What batched copies gain over the default ones of a case."""
    return trials.ranged(case.batched, partial(_batched_over_default, trials, case))


def peer_copy_row(trials: Trials) -> PublishedRow:
    """Time that a layer's copies take, default strategy, 32,768 tokens."""

    def copies_s(changed: Assumption) -> list[float]:
        return [run.figures["copy_s"] for run in trials.steps(BREAKDOWN, changed)]

    note = "the blog's µs read as ms an iteration, ÷ 58 layers"
    return published_row("peer copy a layer", "ms", PEER_COPY_MS, trials.ranged(BREAKDOWN, copies_s), note)


def sglang_rows(trials: Trials) -> list[PublishedRow]:
    """gpt-oss-120b in sglang on four B200s, 16,384 tokens a step."""
    note = f"measured kernels of sglang, FP8 activations, NCCL under DEP; equal inputs; {_RANKS}"
    return [
        _over_dep(trials, sglang_case(isl), f"sglang, ISL {isl}", gain, note, SGLANG)
        for isl, gain in SGLANG_BY_ISL.items()
    ]


def _over_dep(
    trials: Trials, case: Case, what: str, published: float, assumed: str, source: str = BLOG
) -> PublishedRow:
    found = trials.ranged(case, partial(_faster, trials, case))
    return published_row(f"DWDP over DEP: {what}", "%", 100 * (published - 1), found, assumed, source)


def _faster(trials: Trials, case: Case, changed: Assumption) -> list[float]:
    dep = [one.total_s for one in trials.dep(case, changed)]
    return _gains(dep, trials.seconds(case, changed))


def _batched_over_default(trials: Trials, case: Case, changed: Assumption) -> list[float]:
    return _gains(trials.seconds(case, changed), trials.seconds(case.batched, changed))


def _gains(slower: Sequence[float], faster: Sequence[float]) -> list[float]:
    """Gains in speed seed by seed, as far as both have them."""
    return [a / b - 1.0 for a, b in zip(slower, faster, strict=False)]
