from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dwdp_sim.base.errors import ConfigError
from dwdp_sim.base.user_file import MOST_BYTES, MOST_YAML_BYTES, check_yaml_size, read_json, read_yaml


def test_a_file_s_contents_are_returned(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text('{"a": [1, {"a": null}]}')
    assert read_json(str(tmp_path / "file.json"), "key") == {"a": [1, {"a": None}]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "Expecting property name"),
        (b"", "Expecting value"),
        (b"\xff\xfe", "codec can't decode"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"streams": 1, "streams": 2}', "an object has the key 'streams' twice"),
        (b"1" * 5000, "Exceeds the limit"),
        (b"[1, NaN]", "holds NaN; numbers must be finite"),
        (b"[-Infinity]", "holds -Infinity; numbers must be finite"),
        (b'{"a": 1e999}', "holds 1e999; numbers must be finite"),
        (b'["\\ud800"]', "surrogates not allowed"),
    ],
)
def test_what_is_not_json_is_refused_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^key={path}: cannot be read as JSON: .*{reason}[^\n]*$"):
        read_json(str(path), "key")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nonexistent", "No such file"),
        ("/tmp", "not a regular file"),
        ("/dev/zero", "not a regular file"),
        ("", "not a regular file"),
        ("a" * 5000, "File name too long"),
        ("a\0", "null"),
    ],
)
def test_what_is_no_file_is_refused(path: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be read as JSON: .*{reason}"):
        read_json(path, "key")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[", "expected the node content"),
        (b"\xff\xfe", "codec can't decode"),
        (b"[" * 3000, "nested too deeply"),
        (b"a: 2020-13-45", "month must be in 1..12"),
        (b"a: !!python/object:os.system x", "could not determine a constructor"),
        (b"\0", "special characters are not allowed"),
        (b"a: 1\na: 2", "an object has the key 'a' twice"),
        (b"a: {b: 1, b: 2}", "an object has the key 'b' twice"),
        (b"a: [1, .nan]", "holds nan; numbers must be finite"),
        (b'a: "\\ud800"', "surrogates not allowed"),
        (b"a: -.inf", "holds -inf; numbers must be finite"),
        (b"[1, 2]: 3", "found unhashable key"),
        (b"? {a: 1}\n: 3", "found unhashable key"),
        (b"a: &x [*x]", "an alias stands inside what it names"),
        (b"a: 1\n---\nb: 2", "but found another document"),
    ],
)
def test_what_is_not_yaml_is_refused_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^key={path}: cannot be read as YAML: .*{reason}[^\n]*$"):
        read_yaml(str(path), "key")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ConfigError, match=f"has {MOST_BYTES + 1} bytes; at most {MOST_BYTES} are read"):
        read_json(str(path), "key")


def test_a_yaml_file_that_grows_with_every_alias_is_refused_before_it_has_grown(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)
    ))  # fmt: skip
    for read in (read_yaml, check_yaml_size):
        with pytest.raises(ConfigError, match="has more than 100000 values, aliases counted as what they name"):
            read(str(path), "key")


@pytest.mark.parametrize("content", [b"a: [", b"\xff", b"a: 1\na: 2", b"", b"a: .nan"])
def test_what_another_reader_will_refuse_by_itself_is_left_to_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_bytes(content)
    check_yaml_size(str(tmp_path / "file.yaml"), "key")


def test_a_yaml_file_may_use_aliases(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n")
    assert read_yaml(str(path), "key") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": [{"x": 1}, {"x": 1}]}


def test_a_yaml_file_that_would_take_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (MOST_YAML_BYTES + 1))
    with pytest.raises(ConfigError, match=f"at most {MOST_YAML_BYTES} are read"):
        read_yaml(str(path), "key")


def test_what_would_wait_or_leads_nowhere_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, reason in (("pipe", "not a regular file"), ("dangling", "No such file"), ("loop", "Too many levels")):
        with pytest.raises(ConfigError, match=reason):
            read_json(str(tmp_path / name), "key")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("file.yaml", "a: " + "[" * 5000 + "]" * 5000),
        ("file.yaml", "a: " + "{a: " * 5000 + "}" * 5000),
        ("file.yaml", "- " * 5000),
        ("file.yaml", "{" + "".join(f"a{i}: 1, " for i in range(9000)) + "a8999: 1}"),
        ("file.json", "{" + "".join(f'"a{i}": 1, ' for i in range(100_000)) + '"a99999": 1}'),
    ],
)
def test_text_that_a_reader_could_ponder_for_long_is_refused_soon(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    began = time.process_time()
    with pytest.raises(ConfigError, match=r"nested too deeply|has the key 'a[0-9]*' twice"):
        (read_yaml if name.endswith("yaml") else read_json)(str(tmp_path / name), "key")
    assert time.process_time() - began < 4
