"""Figures of the pages: what they show is what committed data gives now, and none is typed by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "docs/figures"))
import measured_cases  # noqa: E402
import render  # noqa: E402
import validate  # noqa: E402

pytestmark = pytest.mark.usefixtures("loaded_engine")
PAGES: list[str] = [path.relative_to(ROOT).as_posix() for path in render.pages()]
OUTCOMES = json.loads((ROOT / "docs/data/validations.json").read_text(encoding="utf-8"))
LONG = {"ordered", "random", "random_again", *validate.REFITTED}

ALLOWED: Mapping[str, Collection[str]] = {
    "docs/explorer.md": (),
    "docs/glossary.md": (),
    "docs/install.md": (),
    "docs/stability.md": (),
    "README.md": (
        "from nothing to 60 % below a ratio of 1",  # the picture in words
    ),
    "docs/checking.md": (
        "Intervals are 95 %",
        "wider than ± 50 % of its effect",  # rules of the fit and of the report, as the code has them
        "(0.3 % at best; 30 % of the part that is the host's)",
        "shorter than 25 µs (the fixed part scatters by 1–2 µs from run to run)",
        "more than 10 % apart",
        "p95 ≤ 3 %, median ≤ 1.5 %, none above 8 %",
        "p95 ≤ 3 %, none above 8 %",
        "median ≤ 0.5 %, none above 2 %",
        "three standard errors and 2 %",
        "is more than 3 % (and 2 µs) off its median",  # rules of rounds and of the verdict, as the code has them
        "a spread above 5 %, an outlier",
        "above 3 % and above 2 µs",
        "up and down at 97.5 % either side",
        "beyond four standard deviations and 2 µs",
        "at most (95 %, Clopper and Pearson)",
        "changes of the rate by 2 % or more",  # what the study plants
        "that is 10 % slower",
        "Changes of all host costs by 2 % or more",
        "mostly is not: of 2 % in",
        ", of 5 % in",
        "the 10 % quantile counts",  # the rule, as the code has it
    ),
    "docs/compute.md": (
        "4.756 GB at 900 GB/s",  # the published setting
        "(0.8 · memory rate) + 3 µs",  # the formula
        "= 2.7 GB, 0.34 ms",  # the sentence shows the arithmetic
        "| 13,134, 14 % | 29,646, 7 % | 14,753, 6 % | 29,475, 4 % |",  # worked out beforehand, as the page says
        "published as 10–12 % of an iteration at 20 % variation",
        "8K ± 20 % (normal)",
        "if the 20 % are those",
        "waiting is what 4 % variation gives",
    ),
    "docs/hardware.md": (
        "start up to 50, 150 or 500 µs apart",
        "0.8, 1.0 and 1.3 × the prefetch, equal or ± 20 % by rank",
        "(330 s)",
        "must agree within 5 % with",  # bars and defaults
        "is above 5 % of the median and above 2 µs; if a run took over 1.5 × the median",
        "1.4826 × the median absolute deviation",
        "(30 s)",
        "(10 s)",
    ),
    "measurements/README.md": ("Queued rows above 100 µs",),
    "docs/commands.md": ("What if NVLink were 3 % slower?",),
    "docs/faq.md": (),
    "docs/gallery.md": (),
    "docs/keys.md": (
        "0.97 for NVLink that is 3 % slower",
        "from the command's start, such as 10s",
        "1.6 µs is the most",
        "half width of its 95 % interval",
        "0.5–0.75 µs a slice was measured on two H200s; 3.2–3.4 µs has been reported",  # questions of experiments
        "gains of contention_opt? (8.6 and 1.3 %.)",
    ),
    "docs/node.md": (),
    "docs/reading.md": (),
    "docs/tutorial.md": ("± (95 %)",),
    "docs/data_dictionary.md": (),
    "docs/python.md": (),
    "docs/record.md": (),
    "docs/replay.md": (),
    "docs/results.md": (),
    "docs/speed.md": (),
    "docs/threats.md": (),
    "docs/strategies.md": ("a barrier a round (20 µs, assumed",),
    "docs/model.md": ("− 1 seconds longer",),
    "docs/iteration.md": (
        "interval is within 1 %",
        "| 44 | 0.17 % | 0.74 % |",
        "| 44 | 0.17 % | 0.62 % |",
        "| 6 | 0.49 % | 1.27 % |",
        "2.91 µs",
        "20 µs",
        "inputs vary by 20 %",
    ),
    "docs/advice.md": (
        "take 1.1 ms a layer at 0.5 µs a slice",
        "and 7.5 ms at 3.3 µs",
        "At 0.8 × the prefetch",
    ),
}
"""The pages that are searched for unclaimed numbers; on each, passages whose numbers are no results of this project:
definitions, bars, settings, arithmetic that is shown, and public figures with their source."""

SECTIONS_NOT_YET: Mapping[str, Collection[str]] = {}
"""Sections of those pages that are not searched yet."""

NOT_YET = {
    "CHANGELOG.md",
    "docs/hypotheses.md",  # its tables are compared with their data in test_evidence.py
    "docs/nvbandwidth.md",
    "docs/sweeps.md",
    "docs/traces.md",
}
"""Pages that are not searched yet. Design notes are never: they say what was expected and found on their day."""

_NUMBER = r"(?<![\w.,])\d[\d.,]*(?: ?(?:–|to|or|and) ?\d[\d.,]*)*"
_WITH_UNIT = re.compile(rf"{_NUMBER} ?(?:%(?! interval)|(?:ns|µs|ms|s|seconds|minutes|GB/s)(?!\w)|× (?:the|as)\b)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_HIDDEN = re.compile(r"`[^`\n]*`|<!--.*?-->", re.DOTALL)
_LINE_BEGINS = re.compile(r"^[\s>]*(?:[-*] |\d+\. )?<!--= ", re.MULTILINE)


@pytest.fixture(scope="module")
def now() -> dict[str, str]:
    return dict(render.figures())


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def unclaimed(page: str, allowed: Collection[str] = (), sections: Collection[str] = ()) -> list[str]:
    """Numbers with a unit in a page's own text, with the words before them: no span, code, comment or allowed passage.

    Args:
        page: Its Markdown.
        allowed: Passages that are left out; every one must be there.
        sections: Headings of sections that are left out; every one must be there.
    """
    parts = re.split(r"^(?=##? )", _FENCE.sub("", page), flags=re.MULTILINE)
    headings = {part.split("\n", 1)[0].lstrip("# ") for part in parts}
    assert headings >= set(sections)
    kept = "".join(part for part in parts if part.split("\n", 1)[0].lstrip("# ") not in sections)
    text = " ".join(_HIDDEN.sub("", render.SPAN.sub("", kept)).split())
    for passage in allowed:
        assert passage in text, passage
        text = text.replace(passage, "")
    return [text[max(0, found.start() - 50) : found.end()] for found in _WITH_UNIT.finditer(text)]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_the_data_give_now(page: str, now: dict[str, str]) -> None:
    text = read(page)
    spans = list(render.SPAN.finditer(text))
    assert len(spans) == text.count("<!--= ") == text.count("<!--/-->"), "a figure begins without end, or ends twice"
    for span in spans:
        assert span["name"] in now, f"no figure is called {span['name']}"
        assert span["text"] == now[span["name"]], f"{span['name']}: run make figures"


@pytest.mark.parametrize("page", PAGES)
def test_no_figure_begins_a_line_or_stands_in_code_where_markdown_would_show_or_lose_it(page: str) -> None:
    text = read(page)
    assert not _LINE_BEGINS.search(text)
    assert "<!--= " not in "".join(_FENCE.findall(text)) + "".join(re.findall(r"`[^`\n]*`", render.SPAN.sub("", text)))


def test_every_figure_that_is_made_is_shown_somewhere(now: dict[str, str]) -> None:
    shown = {span["name"] for page in PAGES for span in render.SPAN.finditer(read(page))}
    assert shown == set(now)


@pytest.mark.parametrize("page", ALLOWED)
def test_a_page_has_no_measured_number_that_no_script_wrote(page: str) -> None:
    assert unclaimed(read(page), ALLOWED[page], SECTIONS_NOT_YET.get(page, ())) == []


def test_every_page_is_searched_or_named_as_not_yet_searched() -> None:
    notes = {page for page in PAGES if page.startswith("docs/design/")}
    assert {*ALLOWED, *NOT_YET, *notes} == set(PAGES)
    assert not set(ALLOWED) & NOT_YET


@pytest.mark.parametrize("name", validate.SETS)
def test_the_validations_are_of_these_rows_and_constants(name: str) -> None:
    assert OUTCOMES[name]["sources"] == validate.sources(name), "run make figures"


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * (n in LONG)) for n in validate.SETS])
def test_a_validation_made_anew_says_the_same(name: str) -> None:
    anew = validate.outcome(name)
    if name not in validate.REFITTED:
        assert anew == OUTCOMES[name], "run make figures"
    for mode in ("queued", "as_issued"):  # the last digits of a fit are the machine's
        assert anew[mode] == pytest.approx(OUTCOMES[name][mode], abs=1e-4), "run make figures"


def test_the_cases_beside_a_sweep_are_those_of_the_recorded_rows() -> None:
    assert measured_cases.CASES.read_text(encoding="utf-8") == measured_cases.text(), "run make figures"


@pytest.mark.long
def test_a_report_says_what_the_validations_say(tmp_path: Path) -> None:
    rows = ",".join(f"measurements/{file}.json" for file in validate.SETS["processes"])
    code = "from dwdp_hw.app import main; main()"
    arguments = ("mode=validate", "source=recorded", f"rows=[{rows}]", "cluster=h200_x2", f"hydra.run.dir={tmp_path}")
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, capture_output=True)
    said = json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))["summary"]
    for mode in ("queued", "as_issued"):
        assert OUTCOMES["processes"][mode] == pytest.approx(said[mode], abs=1e-6), mode


@pytest.mark.parametrize(
    "text",
    [
        "errors up to 21 %",
        "at most 4–19 % slower",
        "8 to 10 % at",
        "1,024 copies: 3.4 ms.",
        "a gap of 3.17 µs,",
        "(45 s)",
        "runs at 322 GB/s",
        "1.3 × the prefetch",
        "| 0.668 ms |",
    ],
)
def test_a_number_with_a_unit_is_found(text: str) -> None:
    assert len(unclaimed(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "two H200s and 8 ranks",
        "`check.p95=0.1 %`",
        "```bash\nsleep 3 s\n```",
        "gains <!--= a.b -->2.6–3.3 %<!--/--> there",
        "its 95 % interval",
        "slices of 2 MiB",
    ],
)
def test_counts_code_figures_and_sizes_are_not(text: str) -> None:
    assert unclaimed(text) == []


def test_a_figure_is_written_between_its_comments_and_across_cells() -> None:
    page = "| a | <!--= t.x -->1 | 2<!--/--> | and <!--= t.y -->old<!--/-->"
    after = render.rendered(page, {"t.x": "3 | 4", "t.y": "new"})
    assert after == "| a | <!--= t.x -->3 | 4<!--/--> | and <!--= t.y -->new<!--/-->"
    assert render.rendered(after, {"t.x": "3 | 4", "t.y": "new"}) == after
