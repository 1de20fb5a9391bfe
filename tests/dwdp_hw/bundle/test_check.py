"""What a bundle claims is found out: constants that its rows do not give, figures that do not follow, more texts."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from dwdp_hw.bundle.archive import CONSTANTS, MANIFEST, REPORT, pack
from dwdp_hw.bundle.check import FAILS, HOLDS, SKIPPED, check_bundle
from dwdp_hw.bundle.opened import open_bundle
from dwdp_hw.bundle.show import write_report
from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.json_rows import json_rows
from tests.dwdp_hw.bundle.recorded import MEASUREMENTS
from tests.dwdp_hw.bundle.test_make import texts_of

CONSTANTS_CLAIM, FIGURES_CLAIM = "constants follow from the rows", "figures follow from rows and constants"
Texts = dict[str, Any]


@pytest.fixture
def altered(whole: bytes, tmp_path: Path) -> Callable[..., str]:
    """Write the whole bundle with some parts changed, everything about them made right again but what they say."""

    def write(
        constants: Callable[[Texts], object] | None = None,
        of: bytes = whole,
        **changes: Callable[[Texts], object],
    ) -> str:
        with zipfile.ZipFile(BytesIO(of)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(parts.pop(MANIFEST))
        for name, change in changes.items():
            part = next(each for each in parts if name in each)
            content = json.loads(parts[part])
            change(content)
            parts[part] = json_rows(content).encode()
        cluster = yaml.safe_load(parts[CONSTANTS])
        for entry in cluster["fitted_on"]:
            entry["sha256"] = hashlib.sha256(parts[entry["file"]]).hexdigest()
        if constants is not None:
            constants(cluster)
        parts[CONSTANTS] = yaml.safe_dump(cluster, sort_keys=False, allow_unicode=True, width=120).encode()
        path = tmp_path / "bundle.zip"
        path.write_bytes(pack(manifest["toolkit"], manifest["machine"], parts))
        return str(path)

    return write


def states(path: str, **how: bool) -> dict[str, tuple[str, str]]:
    claims, _ = check_bundle(open_bundle(path), **how)
    return {claim.what: (claim.state, claim.why) for claim in claims}


def test_a_bundle_of_recorded_rows_holds(altered: Callable[..., str]) -> None:
    found = states(altered())
    assert {state for state, _ in found.values()} == {HOLDS, SKIPPED}
    assert found["measured elsewhere"] == (SKIPPED, "barrier_s, event_s")
    assert found[CONSTANTS_CLAIM][1].startswith("11 fitted again to 54 rows")
    assert found[FIGURES_CLAIM][0] == HOLDS


def test_a_cost_beside_the_yardstick_that_the_rows_do_not_give_fails(altered: Callable[..., str]) -> None:
    measured = (MEASUREMENTS / "bundles" / "h200_x1_4.zip").read_bytes()
    assert states(altered(of=measured))[CONSTANTS_CLAIM][0] == HOLDS
    dearer = shifted("issue_slice_relative", None, 1.01, interval=True)
    state, why = states(altered(dearer, of=measured))[CONSTANTS_CLAIM]
    said = "issue_slice_relative is 2.8276 (2.8213 – 2.8339): the rows give 2.7996 (2.7934 – 2.8058)"
    assert (state, why) == (FAILS, said)

    def surer(cluster: Texts) -> None:
        cluster["constants"]["issue_slice_relative"]["interval"] = [2.799, 2.8]

    assert states(altered(surer, of=measured))[CONSTANTS_CLAIM][0] == FAILS

    def few(rows: Texts) -> None:
        for row in rows["rows"]:
            row["relative_cost"] = row.get("relative_cost", [])[:4]

    state, why = states(altered(of=measured, calibration_1=few))[CONSTANTS_CLAIM]
    assert state == FAILS
    assert why == "issue_async_relative: too few processes show it; issue_slice_relative: too few processes show it"


def test_a_fit_that_is_not_made_is_said(altered: Callable[..., str]) -> None:
    state, why = states(altered(), refit=False)[CONSTANTS_CLAIM]
    assert (state, why) == (SKIPPED, "11 were not fitted again, as asked")


def shifted(name: str, key: Any, factor: float, *, interval: bool) -> Callable[[Texts], object]:
    """A constant's value, and perhaps its interval, times a factor; of a rate all three that a fit sets together."""

    def change(cluster: Texts) -> None:
        group = ("egress", "ingress", "pair") if name == "pair_bytes_per_s" else ()
        for one in [f"{each}_bytes_per_s" for each in group] or [name]:
            constant = cluster["constants"][one]
            if key is None:
                constant["value"] *= factor
                span = constant["interval"]
            else:
                row = next(row for row in constant["value"] if row[0] == key)
                row[1] *= factor
                span = constant["interval"][key]
            if interval:
                span[:] = [factor * end for end in span]

    return lambda cluster: _six_digits(cluster, change)


def _six_digits(cluster: Texts, change: Callable[[Texts], object]) -> None:
    change(cluster)
    cluster["constants"] = {name: _rounded(constant) for name, constant in cluster["constants"].items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


SHIFTS = {
    "peer rate": ("pair_bytes_per_s", None, 1.05),
    "peer_fixed_s": ("peer_fixed_s", None, 0.5),
    "peer_gap_s at 65536 B": ("peer_gap_s", 65536, 1.2),
    "peer_gap_s at 2097152 B": ("peer_gap_s", 2097152, 0.8),
    "issue_slice_s": ("issue_slice_s", None, 5.0),
}


@pytest.mark.parametrize("interval", [False, True], ids=["intervals left", "intervals moved along"])
def test_each_constant_that_the_rows_do_not_give_is_named_and_no_other(
    interval: bool, altered: Callable[..., str]
) -> None:
    def shift(cluster: Texts) -> None:
        for one in SHIFTS.values():
            shifted(*one, interval=interval)(cluster)

    state, why = states(altered(shift))[CONSTANTS_CLAIM]
    assert state == FAILS
    for said, name in zip(why.split("; "), SHIFTS, strict=True):
        assert said.startswith(f"{name}: the rows give " if interval else f"{name} is ")


def test_a_wide_interval_hides_no_wrong_value(altered: Callable[..., str]) -> None:
    def widen(cluster: Texts) -> None:
        for name in ("egress_bytes_per_s", "ingress_bytes_per_s", "pair_bytes_per_s"):
            cluster["constants"][name] |= {"value": 4.2e11, "interval": [1e11, 9e11]}

    state, why = states(altered(widen))[CONSTANTS_CLAIM]
    assert state == FAILS
    assert "peer rate is 4.2e+11: the rows give" in why


def test_a_constant_that_claims_the_rows_and_has_no_interval_fails(altered: Callable[..., str]) -> None:
    def claim(cluster: Texts) -> None:
        cluster["constants"]["barrier_s"]["source"] = "rows of this bundle"

    state, why = states(altered(claim))[CONSTANTS_CLAIM]
    assert (state, why) == (FAILS, "barrier_s: nothing in these rows was fitted")


@pytest.mark.parametrize("interval", [["oldest", "oldest"], [1.0], [2.0, 1.0], {"pull": [0.2]}])
@pytest.mark.parametrize("name", ["peer_fixed_s", "issue_slice_s"])
def test_an_interval_that_is_no_pair_of_numbers_is_refused_in_one_line(
    name: str, interval: object, altered: Callable[..., str]
) -> None:
    def claim(cluster: Texts) -> None:
        cluster["constants"][name]["interval"] = interval

    with pytest.raises(ConfigError, match=rf"{name}\.interval=.*: \[low, high\] with finite numbers") as caught:
        open_bundle(altered(claim))
    assert "\n" not in str(caught.value)


def test_an_interval_of_another_shape_than_its_value_claims_nothing(altered: Callable[..., str]) -> None:
    names = {"peer_fixed_s", "issue_slice_s"}

    def claim(cluster: Texts) -> None:
        for name in names:
            cluster["constants"][name]["interval"] = {"pull": [0.1, 0.2]}

    state, why = states(altered(claim))[CONSTANTS_CLAIM]
    assert (state, set(why.split("; "))) == (FAILS, {f"{name}: nothing in these rows was fitted" for name in names})


def test_an_event_s_latency_is_taken_from_the_steps(altered: Callable[..., str]) -> None:
    def claim(cluster: Texts) -> None:
        cluster["constants"]["event_s"]["source"] = "rows of this bundle"

    state, why = states(altered(claim))[CONSTANTS_CLAIM]
    assert (state, why) == (FAILS, "event_s: no forward step shows it")


def test_a_figure_that_does_not_follow_fails(altered: Callable[..., str]) -> None:
    def better(report: Texts) -> None:
        report["rows"][3]["predicted_s"] = report["rows"][3]["measured_s"] * 1.02

    state, why = states(altered(report=better), refit=False)[FIGURES_CLAIM]
    assert state == FAILS
    assert "predicted_s is" in why


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["rows"][0].update(measured_s=1.0), "measured 1.434e-05 s, the report says 1 s"),
        (lambda r: r["rows"].pop(), "is not in the report"),
        (lambda r: r["rows"].append({**r["rows"][0], "case": "more"}), "no such row"),
        (lambda r: r["rows"].append(r["rows"][0]), "stands in the report twice"),
    ],
)
def test_a_report_that_says_other_rows_fails(
    change: Callable[[Texts], object], said: str, altered: Callable[..., str]
) -> None:
    state, why = states(altered(report=change), refit=False)[FIGURES_CLAIM]
    assert state == FAILS
    assert said in why


def test_rows_with_other_times_no_longer_give_the_constants(altered: Callable[..., str]) -> None:
    def slower(rows: Texts) -> None:
        for row in rows["rows"]:
            row["device_us"] = [{name: 1.1 * us for name, us in one.items()} for one in row["device_us"]]
            row["device_us_runs"] = [[1.1 * us for us in runs] for runs in row["device_us_runs"]]

    found = states(altered(calibration_1=slower, calibration_2=slower))
    assert found[CONSTANTS_CLAIM][0] == FAILS
    assert found[FIGURES_CLAIM][0] == FAILS


TOLD: dict[str, dict[str, Callable[[Texts], object]]] = {
    "a row that contradicts itself": {"calibration_1": lambda rows: rows["rows"][0]["device_us"][0].update(median=1e9)},
    "a note on the machine": {"calibration_1": lambda rows: rows["machine"].update(note="alice")},
    "a machine of another kind": {"calibration_1": lambda rows: rows["machine"].update(gpu="NVIDIA H100")},
    "a case of one's own": {"calibration_1": lambda rows: rows["rows"][0].update(case="alice")},
    "a path": {"validation_1": lambda rows: rows["rows"][0].update(path="/home/alice")},
    "a reason": {"validation_1": lambda rows: rows["rows"][0].update(unstable_reason="alice was here")},
    "a header": {"validation_1": lambda rows: rows.update(method="alice")},
    "an unknown field": {"validation_1": lambda rows: rows["rows"][0].update(owner="alice")},
    "a name": {"constants": lambda cluster: cluster.update(name="alice")},
    "a description": {"constants": lambda cluster: cluster.update(description="of alice")},
    "a source": {"constants": lambda cluster: cluster["constants"]["refill"].update(source="alice")},
    "a constant": {"constants": lambda c: c["constants"].update(alice=dict(c["constants"]["refill"]))},
    "a base": {"constants": lambda cluster: cluster.update(defaults=["gb200_nvl72"])},
    "rows that are not there": {"constants": lambda cluster: cluster["fitted_on"][0].update(sha256="0" * 64)},
    "fewer rows": {"constants": lambda cluster: cluster["fitted_on"].pop()},
    "a use": {"constants": lambda cluster: cluster["fitted_on"][0].update(use="alice")},
    "a further word": {"constants": lambda cluster: cluster["fitted_on"][0].update(owner="alice")},
    "a report with a note": {"report": lambda report: report.update(note="alice")},
    "a report of text": {"report": lambda report: report["rows"][0].update(measured_s="fast")},
    "a report of infinity": {"report": lambda report: report["rows"][0].update(measured_s=1e300)},
}


@pytest.mark.parametrize("name", TOLD)
def test_parts_that_say_more_or_something_else_are_refused_when_opened(
    name: str, altered: Callable[..., str], tmp_path: Path
) -> None:
    path = altered(**TOLD[name])
    with pytest.raises(ConfigError) as refused:
        open_bundle(path)
    assert str(refused.value).startswith(f"bundle={path}: ")
    assert str(refused.value).isprintable()
    assert [one.name for one in tmp_path.iterdir()] == ["bundle.zip"]


@pytest.mark.parametrize("text", ["# alice\n", "\n", "x: &a 1\n"])
def test_comments_and_other_ways_to_write_the_same_are_refused(text: str, whole: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(BytesIO(whole)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(parts.pop(MANIFEST))
    for name in (CONSTANTS, REPORT):
        changed = {**parts, name: parts[name] + text.encode()}
        (tmp_path / "b.zip").write_bytes(pack(manifest["toolkit"], manifest["machine"], changed))
        with pytest.raises(ConfigError):
            open_bundle(str(tmp_path / "b.zip"))


def test_the_page_of_a_bundle_is_made_of_its_data(altered: Callable[..., str], whole: bytes, tmp_path: Path) -> None:
    bundle = open_bundle(altered())
    _, validation = check_bundle(bundle, refit=False)
    page = write_report(tmp_path / "report.html", bundle, validation).read_text(encoding="utf-8")
    assert "Predicted against measured: measured_h200_x2" in page
    assert "rows/validation_1.json" in page
    assert "<script" not in page
    assert "<" not in texts_of(whole)
