"""Write values as Hydra's grammar reads them."""

from __future__ import annotations

import re

_AS_IT_IS = re.compile(r"(?=.*[A-Za-z/])[A-Za-z0-9_./:+%@-]+")
_OTHER_THINGS = re.compile(r"null|true|false|nan|[+-]?inf|[+-]?[\d._]+(e[+-]?\d+)?", re.IGNORECASE)


def quoted(text: str) -> str:
    """Return a text as the value of an override: as it is where Hydra reads it as that text, else in quotes."""
    if _AS_IT_IS.fullmatch(text) and not _OTHER_THINGS.fullmatch(text):
        return text
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)  # backslashes count only before a quote
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{escaped[len(escaped) - trailing :]}'"


def unquoted(value: str) -> str:
    """Return the text that `quoted` has written, or a value without quotes as it is."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    quote = value[0]
    halved = re.sub(rf"(\\+)(?={quote}|$)", lambda match: match[1][: len(match[1]) // 2], value[1:-1])
    return halved
