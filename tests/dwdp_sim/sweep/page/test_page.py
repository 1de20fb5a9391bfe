"""The page's file: complete, self-contained, safe against its own text, and written whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.report_app import main
from dwdp_sim.results.job_files import write_prediction
from dwdp_sim.results.predict import predict
from dwdp_sim.sweep.page import document
from dwdp_sim.sweep.page.page import write_page
from tests.dwdp_sim.composing import checked
from tests.dwdp_sim.sweep.page.sweeps import LAYER, write_sweep

EVIL = "</script><img src=x onerror=alert(1)>&amp"


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def markup_of(page: str) -> str:
    return re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [(*LAYER, f"strategy={name}") for name in ("default", "batched")]
    lines += [(*LAYER, "strategy=batched", f"model.name='{EVIL}'"), (*LAYER, f"workload.start='{EVIL}'")]
    return write_sweep(tmp_path_factory.mktemp("sweeps") / "mine", lines)


@pytest.fixture(scope="module")
def page(sweep: Path) -> str:
    return write_page(sweep, sweep / "report.html").read_text(encoding="utf-8")


def test_the_page_says_what_its_rows_say(page: str, sweep: Path) -> None:
    data = data_of(page)
    assert data["jobs"] == 3
    assert [factor["label"] for factor in data["factors"].values()] == ["model", "strategy"]
    times = data["figures"]["m0"]
    assert data["y"]["m0"]["title"] == "prefetch latency, mean over ranks (µs)"
    rows = re.findall(r'<tr><td class="job" data-line="(\d)">.*?data-key=([\d.]+)>([\d.]+)</td>.*?</tr>', page)
    assert [int(line) for line, _, _ in rows] == sorted(range(3), key=lambda line: times[line])
    for line, key, shown in rows:
        assert float(key) == times[int(line)] == pytest.approx(float(shown), rel=1e-3)
    assert "<title>Sweep: mine</title>" in page
    assert "1 job failed" in page
    assert "1 × workload.start=" in page  # why


def test_text_of_configurations_is_never_markup(page: str) -> None:
    assert EVIL not in page
    assert "<img" not in markup_of(page)
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp" in markup_of(page)
    assert EVIL in data_of(page)["factors"]["f0"]["texts"]
    # the two scripts and the data, which hold no tag of their own, and nothing else
    assert len(re.findall(r"<script\b", page)) == len(re.findall(r"</script", page)) == 3


def test_the_page_loads_nothing_and_runs_only_its_own_scripts(page: str) -> None:
    head = page[: page.index("<style>")]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', head)
    assert policy
    assert policy[1].startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-eval' 'sha256-")
    assert not re.search(r"<[a-z][^>]*\b(src|href)\s*=|@import|url\(", markup_of(page))


def test_a_run_of_its_own_is_linked_by_its_configuration(sweep: Path, tmp_path: Path) -> None:
    alone = checked(*LAYER, "strategy=default")
    found = predict(alone.job, with_range=False, config_hash=alone.config_hash)
    write_prediction(tmp_path / "runs" / "a b", alone, alone.job, *found)
    (tmp_path / "runs" / "summary.json").write_text("[]")  # somebody else's
    page = write_page(sweep, tmp_path / "pages" / "p.html", runs=[tmp_path / "runs"]).read_text()
    links = re.findall(r'<a href="([^"]*)">([^<]*)</a>', page)
    assert [name for _, name in links] == ["timeline.png", "summary.json", "trace.json"]
    assert links[0][0] == "../runs/a%20b/timeline.png"
    (cell,) = [part for part in page.split('<td class="job"')[1:] if "Its own run" in part]
    assert f"Run it alone:<br><code>dwdp-sim {' '.join(LAYER)} strategy=default results_dir=null" in cell


def test_where_no_job_has_finished_there_is_nothing_to_choose(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, [(*LAYER, "dwdp.dwdp_size=3")])
    page = markup_of(write_page(sweep, sweep / "report.html").read_text())
    assert '<form id="choices" hidden>' in page
    assert '<table id="jobs">' not in page
    assert "No job has finished. 1 job failed." in page


def test_the_command_writes_the_page_beside_the_rows_or_where_it_is_told(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, wanted in (([str(sweep)], sweep / "report.html"), ([str(sweep), "--out", "a.html"], Path("a.html"))):
        monkeypatch.setattr(sys, "argv", ["dwdp-report", *arguments])
        main()
        assert capsys.readouterr().out == f"{wanted}\n"
        assert "<title>Sweep: mine</title>" in wanted.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: a results folder of a sweep is wanted (results_dir)"),
        (["SWEEP", "--measured", "none.json"], "--measured=none.json: cannot be read as JSON: No such file"),
        (["SWEEP", "--out", "file/report.html"], "/file: there is no such folder"),
        (["SWEEP", "--out", "none/report.html"], "/none: there is no such folder"),
        (["SWEEP", "--runs", "none"], "--runs=none: there is no such folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str],
    message: str,
    sweep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dwdp-report", *(word.replace("SWEEP", str(sweep)) for word in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert message in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_strangers_among_the_rows_cost_no_page(sweep: Path, tmp_path: Path) -> None:
    shutil.copytree(sweep, tmp_path / "mine")
    (tmp_path / "mine" / "jobs" / "x.parquet").write_bytes(b"x")
    pq.write_table(pa.table({"job": [1]}), tmp_path / "mine" / "jobs" / "table.parquet")
    assert data_of(write_page(tmp_path / "mine", tmp_path / "report.html").read_text())["jobs"] == 3


def test_a_folder_whose_name_is_no_text_has_a_page(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "odd\udcff"
    shutil.copytree(sweep, odd)
    monkeypatch.setattr(sys, "argv", ["dwdp-report", str(odd)])
    main()
    assert capfd.readouterr().out.endswith("odd\\udcff/report.html\n")
    assert "<title>Sweep: odd\\udcff</title>" in (odd / "report.html").read_text(encoding="utf-8")


def test_without_its_extra_the_command_says_what_to_install(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    document._vega.cache_clear()
    with pytest.raises(ConfigError, match=r"is not installed: pip install \"dwdp-toolkit\[report\]\""):
        write_page(sweep, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
