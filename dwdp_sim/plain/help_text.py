"""The help of `dwdp` and of each of its words."""

from __future__ import annotations

from collections.abc import Iterable

from dwdp_sim.plain.flags import Flag
from dwdp_sim.plain.words import WORDS, Word

_EXAMPLES = (
    ("dwdp advise openai/gpt-oss-120b --gpus 8 --on hgx_h200 --isl 4096", "which copies should I choose?"),
    ("dwdp predict config.json --gpus 8 --on dgx_b200 --format nvfp4", "how long is the prefetch of my model?"),
    ("dwdp sweep qwen3_235b_nvfp4 --gpus 2,4,8 --slice 1MiB,2MiB,4MiB", "how does that change over sizes?"),
)


def help_of_all() -> str:
    """Return the help of `dwdp`."""
    words = _table((word.name, word.line) for word in WORDS)
    return (
        "dwdp WORD … answers questions about expert prefetch over NVLink under DWDP.\n\n"
        f"{words}\n\nExamples:\n{_examples(_EXAMPLES)}\n\n"
        "A MODEL is a preset, a config.json, a folder with one, or a Hugging Face id (org/name).\n"
        "dwdp WORD --help explains a word; docs/commands.md explains all of them, and exit codes.\n"
    )


def help_of(word: Word) -> str:
    """Return the help of one word."""
    parts = [
        f"dwdp {word.name} {word.takes}".rstrip(),
        f"{word.line[0].upper()}{word.line[1:]}{'' if word.line.endswith('?') else '.'}",
        f"Examples:\n{_examples(word.examples)}",
    ]
    if word.flags:
        parts.append("Flags:\n" + _table((f"{flag.name} {flag.value}".rstrip(), _said(flag)) for flag in word.flags))
    return "\n\n".join([*parts, *([word.more] if word.more else [])]) + "\n"


def _said(flag: Flag) -> str:
    notes = [f"default: {flag.default}"] if flag.default else []
    notes += [flag.key] if flag.key else []
    return f"{flag.help} ({'; '.join(notes)})" if notes else flag.help


def _examples(examples: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"  {command}\n      {meaning}" for command, meaning in examples)


def _table(rows: Iterable[tuple[str, str]]) -> str:
    found = list(rows)
    width = max(len(left) for left, _ in found)
    return "\n".join(f"  {left:{width}}  {right}" for left, right in found)
