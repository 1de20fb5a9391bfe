"""A bundle is the same bytes for the same files, and says nothing about whose machine it is of."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwdp_hw.bundle.clean import clean_rows
from dwdp_hw.bundle.make import Sources, find_sources, make_bundle
from dwdp_hw.bundle.opened import open_bundle
from dwdp_hw.bundle.vocabulary import WARNED, case_names
from dwdp_sim.base.errors import ConfigError
from tests.dwdp_hw.bundle.recorded import CLUSTER, FILES, MEASUREMENTS, ROOT, WHOLE

SECRETS = (
    "node17.cluster.example.org", "alice", "/home/alice/runs", "GPU-8f3a1c52-aaaa-bbbb-cccc-1234567890ab",
    "1321021036987", "10.20.30.40", "fe80::1ff:fe23:4567:890a", "alice@node17",
)  # fmt: skip
Small = Callable[..., bytes]
Change = Callable[[dict[str, Any], dict[str, Any]], object]


def texts_of(data: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return "\n".join([*archive.namelist(), *(archive.read(name).decode() for name in archive.namelist())])


def test_the_same_files_give_the_same_bytes_in_any_process(whole: bytes) -> None:
    code = (
        "import hashlib, sys; from dwdp_hw.bundle.make import *;"
        "print(hashlib.sha256(make_bundle(Sources(tuple(sys.argv[2:]), sys.argv[1]))).hexdigest())"
    )
    command = [sys.executable, "-c", code, WHOLE.cluster, *WHOLE.rows]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert ended.stdout.strip() == hashlib.sha256(whole).hexdigest()


def test_rows_are_called_by_what_the_constants_were_fitted_on(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(whole)
    bundle = open_bundle(str(tmp_path / "b.zip"))
    assert [recording.path for recording in bundle.recordings] == [
        "rows/calibration_1.json",
        "rows/calibration_2.json",
        "rows/validation_1.json",
    ]
    assert [recording.path for recording in bundle.fitted] == ["rows/calibration_1.json", "rows/calibration_2.json"]
    assert bundle.cluster.name == "measured_h200_x2"
    assert bundle.sha256 == hashlib.sha256(whole).hexdigest()


def test_numbers_of_the_rows_are_kept_to_the_last_digit(whole: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        kept = json.loads(archive.read("rows/calibration_1.json"))["rows"]
    told = json.loads((MEASUREMENTS / FILES[0]).read_text(encoding="utf-8"))["rows"]
    assert [row["case"] for row in kept] == [row["case"] for row in told]
    for one, other in zip(kept, told, strict=True):
        for name in ("device_us", "device_us_runs", "host_us", "copies_bytes", "clocks", "stable", "calls"):
            assert one[name] == other[name]


@pytest.mark.parametrize("name", ["h200_x2_ordered.json", "h200_x2_random_again.json", "h200_x2_witness.json",
                                  "h100_x1_host_experts.json", "h200_x1_pipelines.json"])  # fmt: skip
def test_cleaning_twice_changes_nothing_more(name: str) -> None:
    once = clean_rows((MEASUREMENTS / name).read_text(encoding="utf-8"), name)
    assert clean_rows(once, name) == once


MACHINE_FIELDS = (
    "gpu", "gpus", "driver", "cuda_driver", "cuda_runtime", "cuda_bindings", "async_engines", "visible_gpus",
    "nvml_missing", "python", "note", "host_link", "hostname", "user", "uuid", "serial", "new_field",
)  # fmt: skip
ROW_FIELDS = ("case", "measure", "model", "strategy", "implementation", "issue", "issued_as", "path", "mapping", "home",
              "issue_mode", "window", "unstable_reason")  # fmt: skip
HEADER_FIELDS = ("mapping", "source", "method")
CLUSTER_FIELDS = ("name", "description", "gpu", "mapping", "home")
CONSTANT_FIELDS = ("value", "unit", "provenance", "source", "direction")


def _set(field: str, text: str) -> dict[str, Change]:
    def in_every_row(rows: dict[str, Any], _: dict[str, Any]) -> None:
        for row in rows["rows"]:
            row[field] = text

    return {"row": in_every_row}


def plants(text: str) -> dict[str, Change]:
    """Every place of the files in which a text may stand, and what puts it there."""
    found: dict[str, Change] = {}
    for name in MACHINE_FIELDS:
        found[f"machine.{name}"] = lambda rows, _, name=name: rows["machine"].update({name: text})
    found["a key of machine"] = lambda rows, _: rows["machine"].update({text: 1})
    found["a list in machine"] = lambda rows, _: rows["machine"].update({"note": [text]})
    for name in HEADER_FIELDS:
        found[f"header {name}"] = lambda rows, _, name=name: rows.update({name: text})
    found["header fields"] = lambda rows, _: rows.update({"fields": {text: text}})
    found["failed"] = lambda rows, _: rows.update({"failed": [{"case": text, "why": f"rank 0 on {text}"}]})
    for name in ROW_FIELDS:
        found[f"rows.{name}"] = _set(name, text)["row"]
    found["rows.over_nvlink"] = lambda rows, _: [
        row.update({"over_nvlink": [text, f"yes: {text}"]}) for row in rows["rows"]
    ]
    found["rows.slowdowns"] = lambda rows, _: [
        one["slowdowns"].append(text) for r in rows["rows"] for one in r["clocks"]
    ]
    found["rows.cupti"] = lambda rows, _: [
        r.update({"cupti": [{"missing": text}, {"names": [text]}]}) for r in rows["rows"]
    ]
    found["rows.issue_cost"] = lambda rows, _: [
        row.update({"issue_cost_us_a_slice": [{text: {"median": 1.0, "min": 1.0, "max": 1.0}}] * 2})
        for row in rows["rows"]
    ]
    for name in CLUSTER_FIELDS:
        found[f"cluster.{name}"] = lambda _, cluster, name=name: cluster.update({name: text})
    for name in CONSTANT_FIELDS:
        found[f"constant {name}"] = lambda _, cluster, name=name: cluster["constants"]["refill"].update({name: text})
        found[f"fitted constant {name}"] = lambda _, cluster, name=name: cluster["constants"]["peer_fixed_s"].update(
            {name: text}
        )
    found["a constant's name"] = lambda _, c: c["constants"].update({text: dict(c["constants"]["refill"])})
    found["a source with a known beginning"] = lambda _, c: c["constants"]["refill"].update(
        {"source": f"not measured; {text}"}
    )
    found["a key of a value"] = lambda _, c: c["constants"]["both_ways_egress"]["value"].update({text: 0.5})
    found["a key of an interval"] = lambda _, c: c["constants"]["both_ways_egress"]["interval"].update(
        {text: [0.1, 0.2]}
    )
    found["fitted_on.file"] = lambda _, c: c.update({"fitted_on": [{"file": text, "sha256": "0" * 64, "use": "steps"}]})
    found["fitted_on.use"] = lambda _, c: c.update({"fitted_on": [{"file": "a", "sha256": text, "use": text}]})
    found["fitted_on, a key"] = lambda _, c: c["fitted_on"][0].update({text: text})
    return found


REFUSED_PLACES = (
    "machine.gpu", "machine.gpus", "machine.driver", "rows.measure", "rows.issue", "rows.mapping", "rows.home",
    "cluster.mapping", "cluster.home", "fitted constant value", "constant provenance", "fitted constant provenance",
    "fitted_on.use",
)  # fmt: skip
LEFT_OUT = [place for place in plants("") if place not in REFUSED_PLACES]


@pytest.mark.parametrize("place", REFUSED_PLACES)
def test_a_text_about_the_owner_is_refused_where_a_known_word_is_wanted(place: str, small: Small) -> None:
    for secret in SECRETS:
        with pytest.raises(ConfigError):
            small(plants(secret)[place])


@pytest.mark.parametrize("place", LEFT_OUT)
def test_a_text_about_the_owner_is_left_out_wherever_else_it_stands(place: str, small: Small) -> None:
    secret = SECRETS[LEFT_OUT.index(place) % len(SECRETS)]
    assert secret not in texts_of(small(plants(secret)[place]))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("places", [LEFT_OUT, LEFT_OUT[::-1]], ids=["the last", "the first"])
def test_every_text_about_the_owner_is_left_out_of_all_these_places_at_once(
    places: list[str], secret: str, small: Small
) -> None:
    """Of two plants in one place the later one stays: once it is the last of them, once the first."""

    def everywhere(rows: dict[str, Any], cluster: dict[str, Any]) -> None:
        for place in places:
            plants(secret)[place](rows, cluster)

    assert secret not in texts_of(small(everywhere))


def test_no_secret_stands_in_a_bundle_that_nobody_told_one(small: Small) -> None:
    plain = texts_of(small())
    assert not [secret for secret in SECRETS if secret in plain]


def test_what_is_left_out_leaves_the_bundle_readable(small: Small, tmp_path: Path) -> None:
    def everything_at_once(rows: dict[str, Any], cluster: dict[str, Any]) -> None:
        harmless = (
            "machine.note", "machine.hostname", "header source", "failed", "rows.case", "rows.model", "rows.path",
            "rows.unstable_reason", "rows.over_nvlink", "rows.cupti", "cluster.name", "cluster.description",
            "constant source", "a constant's name",
        )  # fmt: skip
        for place in harmless:
            plants("alice")[place](rows, cluster)

    (tmp_path / "b.zip").write_bytes(small(everything_at_once))
    bundle = open_bundle(str(tmp_path / "b.zip"))
    assert [row.case for row in bundle.recordings[0].rows] == ["case_0", "case_1", "case_2"]
    assert bundle.cluster.name == "measured_h200_x2"


def test_every_committed_campaign_has_cases_that_keep_their_names() -> None:
    for name in (*FILES, "h200_x2_ordered.json", "h200_x2_live_validation.json"):
        cases = {row["case"] for row in json.loads((MEASUREMENTS / name).read_text(encoding="utf-8"))["rows"]}
        assert cases <= case_names(2), name
    host = json.loads((MEASUREMENTS / "h100_x1_host_experts.json").read_text(encoding="utf-8"))
    assert {row["case"] for row in host["rows"]} <= case_names(1)


def test_folders_of_a_calibration_and_a_validation_give_their_rows_and_the_cluster(tmp_path: Path) -> None:
    for name in ("calibration_rows_0.json", "calibration_rows_1.json", "mine.yaml", "config.yaml", "calibration.json"):
        (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "a" / name).touch()
    for name in ("validation_rows.json", "predictions.json", "report.html", "validation.json"):
        (tmp_path / "b" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "b" / name).touch()
    found = find_sources([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [Path(path).name for path in found.rows] == [
        "calibration_rows_0.json",
        "calibration_rows_1.json",
        "validation_rows.json",
    ]
    assert Path(found.cluster).name == "mine.yaml"


REFUSED: dict[str, tuple[list[str], str]] = {
    "no rows": ([str(CLUSTER)], "with live rows, or a file of rows, is wanted"),
    "no cluster": ([WHOLE.rows[0]], r"one cluster file \(\.yaml\) is wanted"),
    "two clusters": ([WHOLE.rows[0], str(CLUSTER), str(CLUSTER)], r"one cluster file \(\.yaml\) is wanted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_bundle_is_named(name: str) -> None:
    paths, said = REFUSED[name]
    with pytest.raises(ConfigError, match=said):
        find_sources(paths)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([FILES[0]], "was fitted on h200_x2_calibration_2.json, too; these rows are wanted"),
        ([FILES[0], FILES[0]], "these rows are listed twice"),
        (["h200_x2_ipc.json"], "rows of format 1 say too little"),
        (["h200_kernels.json"], "lacks the field|bundle="),
        ([FILES[2], "h100_x1_live_validation.json"], "gpu is NVIDIA H100"),
        (["none.json"], "cannot be read as JSON: No such file"),
    ],
)
def test_rows_that_do_not_belong_in_it_are_refused(rows: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_bundle(Sources(tuple(str(MEASUREMENTS / name) for name in rows), str(CLUSTER)))


def test_rounds_keep_whether_they_count_and_lose_the_words_about_it(small: Small, tmp_path: Path) -> None:
    said = "rank 0 of cohost.example.org: spread 12 %"

    def in_rounds(content: dict[str, Any], _: dict[str, Any]) -> None:
        content["format"] = 5
        for row in content["rows"]:
            runs = {name: row.pop(name, row["device_us_runs"]) for name in ("host_us_runs",)} | {
                "device_us_runs": row["device_us_runs"]
            }
            row["rounds"] = [
                {"group": n, "at_s": 1.0 * n, "reference_us": [170.0, 170.0], "disturbed": False, **runs}
                | {"unstable_reason": said if n == 3 else None}
                for n in range(4)
            ]
            row["device_us"] = [{name: one["median"] for name in one} for one in row["device_us"]]
            del row["device_us_runs"]

    data = small(in_rounds)
    assert b"cohost" not in data
    (tmp_path / "b.zip").write_bytes(data)
    bundle = open_bundle(str(tmp_path / "b.zip"))
    assert [len(row.rounds_s[0]) for recording in bundle.recordings for row in recording.rows] == [3, 3, 3]


def test_that_nvml_spoke_against_the_machine_is_kept_and_what_it_said_is_not(small: Small, tmp_path: Path) -> None:
    def warned(content: dict[str, Any], _: dict[str, Any]) -> None:
        content["machine"]["warnings"] = ["GPU 0: alice's process is on it"]

    data = small(warned)
    assert b"alice" not in data
    (tmp_path / "b.zip").write_bytes(data)
    assert open_bundle(str(tmp_path / "b.zip")).recordings[0].warnings == [WARNED]
