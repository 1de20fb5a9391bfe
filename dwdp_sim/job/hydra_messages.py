"""Turn Hydra's and OmegaConf's long messages into one line that names key, value and what is allowed."""

from __future__ import annotations

import re

from hydra.errors import MissingConfigException, OverrideParseException

from dwdp_sim.base.errors import shorten_words
from dwdp_sim.job.known_keys import no_such_key

_MOST_CHARACTERS = 1500  # of a message; OmegaConf's may hold a whole tree
# What brings a launcher of Hydra.
_EXTRAS = {"joblib": "sweep", "submitit_local": "sweep", "submitit_slurm": "sweep", "ray": "ray"}


def one_line(error: Exception, schema: type) -> str:
    """Return the one-line message for `error`.

    Args:
        error: Of Hydra, OmegaConf or the YAML reader.
        schema: Dataclass of the whole tree.
    """
    said = shorten_words(_one_line(error, schema))
    return said if len(said) <= _MOST_CHARACTERS else f"{said[:_MOST_CHARACTERS]}…"


def _one_line(error: Exception, schema: type) -> str:
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing_file(error)
    if isinstance(error, OverrideParseException):
        return _not_parsed(error)
    text, cause = str(error), str(error.__cause__ or "")
    if "Ambiguous value" in text:
        return f"{text.splitlines()[0]}: add -m to run all of them, or write a list as key=[value1,value2]"
    return _blamed_key(text, cause, schema) or _joined(text, cause)


def _missing_file(error: MissingConfigException) -> str:
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    options = ", ".join(error.options or ()) or "nothing, there are none"
    if not group:
        return f"there is no config of the name '{name}'"
    extra = _EXTRAS.get(name) if group == "hydra/launcher" else None
    how = f'; pip install "dwdp-toolkit[{extra}]" brings it' if extra else ""
    return f"{group}={name}: allowed: {options}{how}"


def _not_parsed(error: OverrideParseException) -> str:
    said = [line for line in str(error.message).splitlines() if line and not line.startswith(("Error parsing", "See "))]
    reason = "a character that only quotes allow" if not said or "Exception" in said[0] else said[0]
    return f"{error.override}: cannot be read as key=value ({reason}); quoted values are written key=\\'value\\'"


def _blamed_key(text: str, cause: str, schema: type) -> str | None:
    """The message where the error says in which file or override which key is wrong."""
    key = re.search(r"full_key: (\S+)", text + cause)
    if not key:
        return None
    why = no_such_key(key[1], schema) if re.search(r"Key '.*' (is )?not in ", text + cause) else None
    if file := re.match(r"In '(.*)': \w+ raised while composing config:\n(.*)", text):
        return f"in {file[1]}: {key[1]}: {why or file[2]}"
    override = re.search(r"To append to your config use \++[^=]*=(.*)", text)
    return f"{key[1]}={override[1]}: {why}" if override and why else None


def _joined(text: str, cause: str) -> str:
    if not cause:
        return " ".join(text.split())
    first, reason = (part.strip().splitlines()[0] for part in (text, cause))
    return f"{first.removeprefix('Error merging override ')}: {reason}"
