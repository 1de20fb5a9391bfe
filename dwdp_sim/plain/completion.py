"""Scripts with which a shell completes the words, flags and names of `dwdp`; they ask nothing while one types."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dwdp_sim.job.config_files import config_dir, group_options
from dwdp_sim.model.hub import KNOWN_MODELS
from dwdp_sim.model.moe import FORMATS
from dwdp_sim.plain.values import ENGINES
from dwdp_sim.plain.words import COMPLETION, WORDS

_BASH = """_dwdp() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} flags="" names="" before=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{words} --help --version" -- "$cur"))
        return
    fi
    case "${{COMP_WORDS[1]}}" in
{flags_of_words}
    esac
    case "$prev" in
{names_of_flags}
    esac
    if [[ "$cur" == -* ]]; then
        COMPREPLY=($(compgen -W "$flags --help" -- "$cur"))
        return
    fi
    if [[ "$cur" == *,* ]]; then before="${{cur%,*}},"; fi
    COMPREPLY=($(compgen -P "$before" -W "$names" -- "${{cur##*,}}"))
}}
complete -o default -F _dwdp dwdp
"""
_ZSH = """#compdef dwdp
_dwdp() {{
    local prev=${{words[CURRENT-1]}}
    local -a flags names
    if (( CURRENT == 2 )); then
        compadd -- {words} --help --version
        return
    fi
    case ${{words[2]}} in
{flags_of_words}
    esac
    case $prev in
{names_of_flags}
    esac
    if [[ $PREFIX == -* ]]; then
        compadd -- $flags --help
        return
    fi
    compset -P '*,'
    compadd -- $names
    _files
}}
compdef _dwdp dwdp
"""


def _bash() -> str:
    flags_of_words = [f'        {name}) flags="{_spaced(f)}" names="{_spaced(n)}" ;;' for name, f, n in _words()]
    names_of_flags = [f'        {flag}) names="{_spaced(names)}" ;;' for flag, names in _values().items()]
    return _BASH.format(
        words=_spaced([word.name for word in WORDS]),
        flags_of_words="\n".join(flags_of_words),
        names_of_flags="\n".join(names_of_flags),
    )


def _zsh() -> str:
    flags_of_words = [f"        {name}) flags=({_spaced(f)}) names=({_spaced(n)}) ;;" for name, f, n in _words()]
    names_of_flags = [f"        {flag}) names=({_spaced(names)}) ;;" for flag, names in _values().items()]
    return _ZSH.format(
        words=_spaced([word.name for word in WORDS]),
        flags_of_words="\n".join(flags_of_words),
        names_of_flags="\n".join(names_of_flags),
    )


def _fish() -> str:
    lines = []
    for word in WORDS:
        lines.append(f"complete -c dwdp -n __fish_use_subcommand -a {word.name} -d {_in_fish(word.line)}")
        here = f"complete -c dwdp -n '__fish_seen_subcommand_from {word.name}'"
        for flag in word.flags:
            names = _values().get(flag.name, [])
            needs = f" -x -a {_in_fish(_spaced(names))}" if names else " -r" if flag.value else ""
            lines.append(f"{here} -l {flag.name.lstrip('-')}{needs} -d {_in_fish(flag.help)}")
    lines += [
        f"complete -c dwdp -n '__fish_seen_subcommand_from {n}' -a {_in_fish(_spaced(m))}" for n, _, m in _words() if m
    ]
    return "\n".join(lines) + "\n"


def script(shell: str) -> str:
    """Return the script for a shell, one of `SHELLS`."""
    return SHELLS[shell]()


SHELLS: Mapping[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}


def _words() -> list[tuple[str, list[str], list[str]]]:
    """Of each word, its name, its flags, and the names that may stand behind it."""
    models = [name for name in _options("model") if name != "hf"] + list(KNOWN_MODELS)
    names = {word.name: models for word in WORDS if word.takes_models} | {COMPLETION: list(SHELLS)}
    return [(word.name, [flag.name for flag in word.flags], names.get(word.name, [])) for word in WORDS]


def _values() -> dict[str, list[str]]:
    """What may stand behind a flag that takes names."""
    clusters = _options("cluster")
    return {
        "--on": clusters,
        "--cluster": clusters,
        "--model": [name for name in _options("model") if name != "hf"],
        "--strategy": [name for name in _options("strategy") if name != "custom"],
        "--engine": list(ENGINES),
        "--format": list(FORMATS),
    }


def _options(group: str) -> list[str]:
    return group_options(group, [str(config_dir())])


def _spaced(names: list[str]) -> str:
    return " ".join(names)


def _in_fish(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
