"""The table of conclusions in docs/hypotheses.md, from docs/data/conclusions.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conclusions import ROWS, SENTENCES, Row, Sentence, read_rows, spoken_of, status

from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.fabric.hypotheses import ARTEFACT_AS_LOSS, EXCLUDED

PAGE = Path(__file__).resolve().parents[1] / "docs/hypotheses.md"
APART = (ARTEFACT_AS_LOSS.name, *(hypothesis.name for hypothesis in EXCLUDED))  # what evidence speaks against
_BEGIN, _END = "<!-- begin conclusions -->\n", "<!-- end -->"
_MOST_NAMED = 6


def with_table(text: str, rows: Sequence[Row]) -> str:
    """The page with the table between its marks made from the data."""
    before, begin, after = text.partition(_BEGIN)
    _, end, rest = after.partition(_END)
    if not end:
        raise ValueError(f"{PAGE.name} has no place for the table of conclusions")
    return "".join((before, begin, "\n", "\n".join(table(rows)), "\n\n", end, rest))


def table(rows: Sequence[Row]) -> list[str]:
    """One row a sentence: where its gains lie, and under how many hypotheses it holds, fails, or is left open."""
    lines = [
        "| sentence | gains | holds under | fails under | open under | with 0.858 as a loss |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for sentence in SENTENCES:
        found = verdicts(sentence, rows)
        gains = [100 * row.gain for row in spoken_of(sentence, rows) if row.hypothesis not in APART]
        named = {word: [name for name, said in found.items() if said == word] for word in ("holds", "fails", "open")}
        cells = [
            sentence.text,
            f"{min(gains):+.1f} to {max(gains):+.1f} %",
            "**all**" if len(named["holds"]) == len(found) else str(len(named["holds"])),
            *(_names(named[word]) for word in ("fails", "open")),
            status(sentence, rows, ARTEFACT_AS_LOSS.name),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def verdicts(sentence: Sentence, rows: Sequence[Row]) -> dict[str, str]:
    """Whether a sentence holds under each hypothesis that no evidence speaks against."""
    names = dict.fromkeys(row.hypothesis for row in spoken_of(sentence, rows) if row.hypothesis not in APART)
    return {name: status(sentence, rows, name) for name in names}


def _names(names: Sequence[str]) -> str:
    """Hypotheses by name, or their number where there are many."""
    if not names:
        return "–"
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)}: {names[0]}, {names[1]}, …"


def main() -> None:
    """Draw the table anew."""
    text = with_table(PAGE.read_text(encoding="utf-8"), read_rows(ROWS))
    write_whole(PAGE, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
