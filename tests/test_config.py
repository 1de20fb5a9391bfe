"""The configuration's schema explains itself."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest

from dwdp_hw.job.schema import HwConfig


def schemas(kind: Any) -> set[type]:
    """The dataclass and those of its keys, all the way down."""
    if not is_dataclass(kind):
        return {schema for inner in get_args(kind) for schema in schemas(inner)}
    assert isinstance(kind, type)
    return {kind}.union(*(schemas(hint) for hint in get_type_hints(kind).values()))


@pytest.mark.parametrize("schema", sorted(schemas(HwConfig), key=lambda schema: schema.__name__))
def test_every_key_says_what_it_means(schema: type) -> None:
    (tree,) = ast.parse(inspect.getsource(schema)).body
    assert isinstance(tree, ast.ClassDef)
    said = {
        before.target.id
        for before, after in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }  # fmt: skip
    groups = {item.name for item in fields(schema) if is_dataclass(get_type_hints(schema)[item.name])}  # say themselves
    inherited = {item.name for base in schema.__mro__[1:] if is_dataclass(base) for item in fields(base)}
    assert said | groups | inherited == {item.name for item in fields(schema)}
