"""Files as an enemy, a careless tool or a failing disk leaves them: mutations of a file that is right."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

Place = tuple[Any, ...]
"""Keys and indices that lead to a value."""

_AGAIN = "\x01again:"  # a key that becomes the key behind it, so that it stands twice
_BARE = "\x01bare:"  # a text that becomes what it says, without quotes

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 10**30, 1.5, -1e-9, 1e308, "", "x", "9" * 5000, "12", "[/red]", "a\nb", "\x1b[2J",
    "\ud800", [], {}, [[[]]], {"x": 1}, [1, "x", None], f"{_BARE}NaN", f"{_BARE}Infinity", f"{_BARE}1e999",
    f"{_BARE}{'9' * 5000}", f"{_BARE}{'[' * 5000}{']' * 5000}",
)  # fmt: skip


def mutated_trees(content: Any, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Name and text of mutations of JSON: keys dropped, doubled and renamed, and values of other types and sizes."""
    draw = random.Random(seed)
    places = list(_places(content))
    for _ in range(count):
        place = draw.choice(places)
        tree = copy.deepcopy(content)
        if not place:
            what, tree = "whole", draw.choice(VALUES)
        else:
            holder = tree
            for step in place[:-1]:
                holder = holder[step]
            what = _mutate(holder, place[-1], draw)
        yield f"{what} at {place}", as_json(tree)


def mutated_bytes(data: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of mutations that know nothing of the format."""
    draw = random.Random(seed)
    yield "empty", b""
    yield "BOM", b"\xef\xbb\xbf" + data
    yield "NUL bytes", b"\0" * 4096
    yield "NUL inside", data[: len(data) // 2] + b"\0" + data[len(data) // 2 :]
    yield "carriage returns", data.replace(b"\n", b"\r\n")
    yield "twice", data + data
    yield "UTF-16", data.decode("latin-1").encode("utf-16")
    yield "deep lists", b"[" * 100_000
    yield "deep objects", b'{"a":' * 100_000
    for _ in range(count):
        place = draw.randrange(len(data))
        if draw.random() < 0.4:
            yield f"cut at {place}", data[:place]
        else:
            flipped = bytearray(data)
            for _ in range(draw.choice((1, 1, 3, 20))):
                flipped[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            yield f"bits flipped near {place}", bytes(flipped)


def yaml_bombs() -> Iterator[tuple[str, bytes]]:
    """YAML that grows with every alias, at the top and under a key."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    yield "alias bomb", "\n".join(lines).encode()
    yield "alias bomb under a key", b"name:\n" + "\n".join(f"  {line}" for line in lines).encode()
    yield "alias of itself", b"name: &a [*a]\n"
    yield "merge of itself", b"name: &a {<<: *a}\n"
    yield "tag", b"name: !!python/object/apply:os.system [echo]\n"
    yield "long text", b"name: " + b"x" * 200_000


def as_json(tree: Any) -> bytes:
    """The text of a tree, in which marked keys and texts become what they stand for."""
    text = json.dumps(tree)
    text = text.replace(json.dumps(_AGAIN)[1:-1], "")
    for value in VALUES:
        if isinstance(value, str) and value.startswith(_BARE):
            text = text.replace(json.dumps(value), value.removeprefix(_BARE))
    return text.encode()


def _mutate(holder: Any, last: Any, draw: random.Random) -> str:
    kind = draw.choice(("value", "value", "value", "drop", "rename", "again", "wrap", "number"))
    if kind == "drop":
        del holder[last]
    elif kind == "rename" and isinstance(holder, dict):
        holder[f"{last}_"] = holder.pop(last)
    elif kind == "again" and isinstance(holder, dict):
        holder[f"{_AGAIN}{last}"] = holder[last]
    elif kind == "again":
        holder += [holder[last]] * draw.choice((1, 100))
    elif kind == "wrap":
        holder[last] = [holder[last]]
    elif kind == "number" and isinstance(holder[last], int | float):
        holder[last] = draw.choice((-holder[last], holder[last] + 1, holder[last] * 10**6, float(holder[last])))
    else:
        kind, holder[last] = "value", draw.choice(VALUES)
    return kind


def _places(content: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    if isinstance(content, dict | list):
        for step, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _places(value, (*place, step))
