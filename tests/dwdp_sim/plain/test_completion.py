"""Completion as shells do it: a real bash, with the script that it would source."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from dwdp_sim.plain.completion import SHELLS, script
from dwdp_sim.plain.words import WORDS

NEEDS_BASH = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


def completed(typed: str, folder: Path) -> list[str]:
    """What bash offers for the last word of what was typed."""
    (folder / "dwdp.bash").write_text(script("bash"))
    words = typed.split(" ")
    asked = (
        "source ./dwdp.bash; complete -p dwdp >&2; "
        f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; "
        'COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; _dwdp dwdp; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], cwd=folder, capture_output=True, text=True, check=True, timeout=20)
    assert done.stderr == "complete -o default -F _dwdp dwdp\n"
    return done.stdout.split()


@NEEDS_BASH
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("dwdp pre", ["predict"]),
        ("dwdp re", ["record", "report"]),
        ("dwdp --v", ["--version"]),
        ("dwdp predict kimi", ["kimi_k2_nvfp4"]),
        ("dwdp advise openai/", ["openai/gpt-oss-120b"]),
        ("dwdp predict --o", ["--on", "--out"]),
        ("dwdp predict --on dgx_", ["dgx_b200", "dgx_b300", "dgx_h100"]),
        ("dwdp sweep --on dgx_b200,hgx", ["dgx_b200,hgx_h200"]),
        ("dwdp sweep --slice 1MiB --strategy default,ri", ["default,ring"]),
        ("dwdp predict --engine s", ["sglang"]),
        ("dwdp node --is", ["--isl"]),
        ("dwdp completion z", ["zsh"]),
        ("dwdp check --on h", []),
        ("dwdp nothing --gp", []),
    ],
)
def test_bash_offers_words_flags_and_names(typed: str, offered: list[str], tmp_path: Path) -> None:
    if typed == "dwdp check --on h":
        offered = ["h100_x1_host", "h200_x1_host", "h200_x2", "hgx_h200"]  # names follow a flag wherever it stands
    assert completed(typed, tmp_path) == offered


@NEEDS_BASH
def test_every_word_is_offered_first(tmp_path: Path) -> None:
    assert completed("dwdp ", tmp_path) == [*(word.name for word in WORDS), "--help", "--version"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_s_script_knows_words_flags_and_names(shell: str) -> None:
    text = script(shell)
    flags = {flag.name.lstrip("-") for word in WORDS for flag in word.flags}
    for known in [*(word.name for word in WORDS), *flags, "hgx_h200", "kimi_k2_nvfp4", "sglang"]:
        assert known in text
    checker = shutil.which(shell)
    if checker is not None:
        done = subprocess.run([checker, "-n"], input=text, capture_output=True, text=True, check=False, timeout=20)
        assert (done.returncode, done.stderr) == (0, "")
