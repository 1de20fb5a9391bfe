"""Write docs/keys.md: every key of the configuration, from the schemas and from `conf/`. Run: make figures."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import EnumMeta
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import OmegaConf

from dwdp_hw.job.schema import HwConfig, register_hw_schemas
from dwdp_sim.advice.config import AdviseTree, register_advise_schemas
from dwdp_sim.base.atomic_file import write_whole
from dwdp_sim.fabric.constant import ConstantConfig
from dwdp_sim.job.compose import compose
from dwdp_sim.job.config_files import config_dir, config_groups
from dwdp_sim.job.schema import SimConfig, register_schemas

PAGE = Path(__file__).resolve().parents[1] / "keys.md"
_OF_A_FILE = ("model.", "cluster.")  # groups whose values are those of the file that is chosen
_COMMANDS = {
    "dwdp-sim": ("config", SimConfig),
    "dwdp-advise": ("advise", AdviseTree),
    "dwdp-hw": ("hw", HwConfig),
}
_HEAD = """# Every key

What `dwdp-sim`, `dwdp-advise` and `dwdp-hw` read. A key is set as `group.key=value`; a group's file is chosen as
`group=NAME`. `--cfg job` prints all of them with their values, and a key that does not exist is refused with the
nearest ones. Names end in their SI unit (`_s` seconds, `_bytes`); a size may be written as `2MiB`. The columns of
results are [another page](data_dictionary.md).

Defaults are those of the command that a section names, and `unset` means that the program chooses. `workload=iteration`
sets `workload.ratio=0.8`; `dwdp-advise` begins with `strategy=default`, `workload=iteration` and
`workload.replications=5`, and `dwdp-hw` with `model=deepseek_v3_lite_nvfp4`, `cluster=h200_x2` and `dwdp.dwdp_size=2`.

This page is written by `docs/site/keys.py` from the dataclasses of `dwdp_sim/job/schema.py`,
`dwdp_sim/advice/config.py`, `dwdp_hw/job/schema.py` and `dwdp_sim/steps/compute.py`, and from the files in `conf/`.
"""


def page() -> str:
    """The page's text."""
    for register in (register_schemas, register_advise_schemas, register_hw_schemas):
        register()
    parts, known = [_HEAD], set[str]()
    for command, (name, schema) in _COMMANDS.items():
        composed = OmegaConf.to_container(compose(name, schema, [], [str(config_dir())]), enum_to_str=True)
        assert isinstance(composed, dict)
        new = [one.name for one in fields(schema) if one.name not in known]
        known.update(new)
        parts.append(f"## {command}\n\n{inspect.getdoc(schema)}\n")
        parts += _tree(schema, composed, "", new)
    parts.append("## A constant\n\nOf `cluster.constants` and `compute.constants`, each by its name.\n")
    parts.append(_table(list(_rows(ConstantConfig, {}, "….constants.NAME.", given=True))))
    parts.append("## Files to choose from\n")
    parts += map(_files, config_groups([str(config_dir())]))
    return "\n".join(parts).rstrip() + "\n"


def _tree(schema: type, values: Mapping[str, Any], path: str, names: list[str]) -> Iterator[str]:
    """A table of a dataclass's own keys, then a section for each dataclass below it."""
    hints = get_type_hints(schema)
    rows = list(_rows(schema, values, path, path.startswith(_OF_A_FILE), names))
    if rows:
        yield _table(rows)
    for name in names:
        if is_dataclass(below := hints[name]):
            assert isinstance(below, type)
            yield f"### {path}{name}\n\n{_of_class(below)}\n"
            yield from _tree(below, values[name], f"{path}{name}.", [one.name for one in fields(below)])


def _rows(
    schema: type, values: Mapping[str, Any], path: str, given: bool, names: list[str] | None = None
) -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and meaning of those keys of a dataclass that have no keys below them."""
    hints, meanings = get_type_hints(schema), _meanings(schema)
    for name in names or hints:
        if not is_dataclass(hints[name]):
            default = "" if given else _value(values[name])
            yield f"`{path}{name}`", _type(hints[name]), default, meanings[name]


def _meanings(schema: type) -> dict[str, str]:
    """The text under each field, also of those that a dataclass has from its bases."""
    found: dict[str, str] = {}
    for one in reversed(schema.__mro__[:-1]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                assert isinstance(text.value, ast.Constant)
                found[field.target.id] = inspect.cleandoc(str(text.value.value))
    return found


def _type(hint: Any) -> str:
    """A type in a reader's words."""
    if isinstance(hint, EnumMeta):
        return ", ".join(f"`{name}`" for name in hint.__members__)
    text = hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)
    text = re.sub(r"[\w.]*\.(?=\w)", "", text).replace(" | None", "")
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Any": "any"}
    return re.sub(r"^(list|dict)\[.*", r"\1", words.get(text, text)).replace("dict", "mapping")


def _value(value: Any) -> str:
    """A default as one types it; a mapping of constants is in the file that is chosen."""
    if value is None or value == "":
        return "unset"
    if isinstance(value, dict):
        return "of the file"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{','.join(map(str, value))}]`"
    return f"`{value}`"


def _of_class(schema: type) -> str:
    return re.sub(r"; see `[^`]*`|\s*See `[^`]*`\.", "", inspect.getdoc(schema) or "")


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    head = ["key", "type", "default", "meaning"] if any(row[2] for row in rows) else ["key", "type", "meaning"]
    lines = [head, ["---"] * len(head)]
    lines += [[cell for cell in row if cell or len(head) == 4] for row in rows]
    return "\n".join(f"| {' | '.join(_one_line(cell) for cell in line)} |" for line in lines) + "\n"


def _files(group: str) -> str:
    """A table of a group's files with the sentence at the top of each."""
    rows = []
    for file in sorted((config_dir() / group).glob("*.yaml")):
        lines = file.read_text(encoding="utf-8").splitlines()
        comment = " ".join(line.lstrip("# ") for line in _head(lines) if "@package" not in line)
        rows.append([f"`{file.stem}`", re.split(r"(?<=[.…])\s", comment)[0]])
    head = f"### {group}=…\n\n| name | what it is |\n| --- | --- |\n"
    return head + "".join(f"| {name} | {_one_line(text)} |\n" for name, text in rows)


def _head(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("#"):
            return
        yield line


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    write_whole(PAGE, lambda at: at.write_text(page(), encoding="utf-8"))
