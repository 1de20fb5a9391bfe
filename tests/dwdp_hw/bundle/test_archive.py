"""Bundles of an enemy: whatever is not exactly what this project writes is refused, in one line, and writes nothing."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwdp_hw.bundle.archive import CONSTANTS, MANIFEST, REPORT, pack, unpack
from dwdp_hw.bundle.opened import open_bundle
from dwdp_sim.base.errors import ConfigError

MACHINE = {"gpu": "NVIDIA H200", "gpus": 2, "driver": "580.159.04"}
PARTS = {CONSTANTS: b"name: x\n", REPORT: b"{}\n", "rows/validation_1.json": b"[]\n"}
GOOD = pack("0.1.0", MACHINE, PARTS)
NAMES = (CONSTANTS, REPORT, "rows/validation_1.json", "rows/calibration_1.json", "rows/calibration_99.json")


def entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(files: dict[str, bytes], change: Callable[[zipfile.ZipInfo], object] = lambda entry: None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            change(entry)
            written.writestr(entry, data)
    return buffer.getvalue()


def repeated(name: str) -> bytes:
    """The good bundle, and a further entry that is then called as another one."""
    other = "x" * len(name)
    return archive({**entries(GOOD), other: b"another"}).replace(other.encode(), name.encode())


def only(name: str, **values: int) -> Callable[[zipfile.ZipInfo], object]:
    return lambda entry: [setattr(entry, key, value) for key, value in values.items() if entry.filename == name]


def patched(signature: bytes, offset: int, form: str, value: int) -> bytes:
    """The good bundle with a field of every header of a kind overwritten."""
    data = bytearray(GOOD)
    place = data.find(signature)
    while place >= 0:
        struct.pack_into(form, data, place + offset, value)
        place = data.find(signature, place + 4)
    return bytes(data)


def bomb() -> bytes:
    """64 MiB of zeros in an entry of 64 KiB."""
    return archive({**entries(GOOD), REPORT: b"\0" * (64 << 20)}, only(REPORT, compress_type=zipfile.ZIP_DEFLATED))


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "cannot be read as ZIP"),
    "text": (lambda: b"PK\x03\x04 is how it begins", "cannot be read as ZIP"),
    "an empty archive": (lambda: archive({}), "has no manifest"),
    "a path upwards": (lambda: archive({**entries(GOOD), "../../etc/cron.d/x": b""}), "no part of a bundle"),
    "an absolute path": (lambda: archive({**entries(GOOD), "/etc/passwd": b""}), "no part of a bundle"),
    "a path of Windows": (lambda: archive({**entries(GOOD), "rows\\..\\x.json": b""}), "no part of a bundle"),
    "a folder": (lambda: archive({**entries(GOOD), "rows/": b""}), "no part of a bundle"),
    "another file": (lambda: archive({**entries(GOOD), "notes.txt": b"hello"}), "no part of a bundle"),
    "a name with NUL": (
        lambda: GOOD.replace(b"report.json", b"report\0.exe"),
        "no part of a bundle|stands in it",
    ),
    "a name in other letters": (lambda: archive({**entries(GOOD), "REPORT.JSON": b""}), "no part of a bundle"),
    "a name with other digits": (
        lambda: archive({**entries(GOOD), "rows/validation_１.json": b""}),
        "no part of a bundle",
    ),
    "rows of number 0": (lambda: archive({**entries(GOOD), "rows/validation_0.json": b""}), "no part of a bundle"),
    "a link": (
        lambda: archive(entries(GOOD), only(REPORT, external_attr=(stat.S_IFLNK | 0o777) << 16)),
        "is a link, folder or device",
    ),
    "a device": (
        lambda: archive(entries(GOOD), only(REPORT, external_attr=(stat.S_IFCHR | 0o666) << 16)),
        "is a link, folder or device",
    ),
    "an executable": (
        lambda: archive(entries(GOOD), only(REPORT, external_attr=(stat.S_IFREG | 0o4755) << 16)),
        "has bytes beside its files, or another order or form",
    ),
    "a name twice": (lambda: repeated(REPORT), "stands in it twice"),
    "a manifest twice": (lambda: repeated(MANIFEST), "stands in it twice"),
    "a bomb": (bomb, "is compressed; a bundle's entries are stored"),
    "compressed by bzip2": (
        lambda: archive(entries(GOOD), only(REPORT, compress_type=zipfile.ZIP_BZIP2)),
        "is compressed",
    ),
    "an unknown compression": (lambda: patched(CENTRAL, 10, "<H", 99), "is compressed"),
    "an encrypted entry": (lambda: patched(CENTRAL, 8, "<H", 1), "is encrypted"),
    "sizes that are not so": (lambda: patched(CENTRAL, 24, "<I", 1 << 30), "is compressed|claims"),
    "sizes beyond the file": (
        lambda: patched_sizes(1 << 30),
        "claims 1073741824 bytes in a file of",
    ),
    "another CRC": (lambda: patched(CENTRAL, 16, "<I", 1), "cannot be read as ZIP"),
    "another local header": (lambda: patched(LOCAL, 10, "<H", 0x6000), "has bytes beside its files, or another"),
    "another date": (lambda: patched(CENTRAL, 12, "<H", 0x1234), "has bytes beside its files, or another"),
    "a comment": (lambda: GOOD[:-2] + struct.pack("<H", 5) + b"alice", "has bytes beside its files"),
    "bytes before": (lambda: b"#!/bin/sh\n" + GOOD, "has bytes beside its files"),
    "bytes after": (lambda: GOOD + b"alice", "cannot be read as ZIP|has bytes beside its files"),
    "another order": (
        lambda: archive(dict(reversed(entries(GOOD).items()))),
        "has bytes beside its files, or another order",
    ),
    "an extra field": (
        lambda: archive(entries(GOOD), lambda e: setattr(e, "extra", b"\x0a\x00\x04\x00host")),
        "has bytes beside its files",
    ),
    "a comment of an entry": (
        lambda: archive(entries(GOOD), lambda entry: setattr(entry, "comment", b"alice")),
        "has bytes beside its files",
    ),
    "too many entries": (
        lambda: archive({f"rows/validation_{number}.json": b"" for number in range(1, 100)}),
        "has more than 64 entries",
    ),
    "too large": (lambda: b"PK" + bytes(33 << 20), "at most 33554432 are read"),
    "cut": (lambda: GOOD[:-30], "cannot be read as ZIP"),
    "no manifest": (lambda: archive(PARTS), "has no manifest.json"),
    "no rows": (
        lambda: pack("0.1.0", MACHINE, {k: v for k, v in PARTS.items() if k in (CONSTANTS, REPORT)}),
        "has no rows",
    ),
    "no constants": (
        lambda: pack("0.1.0", MACHINE, {k: v for k, v in PARTS.items() if k != CONSTANTS}),
        "has no constants",
    ),
    "a manifest that is a list": (lambda: manifest(lambda m: [m]), "expected `object`"),
    "a manifest that is no JSON": (lambda: archive({**entries(GOOD), MANIFEST: b"{"}), "cannot be read as JSON"),
    "a manifest in UTF-16": (
        lambda: archive({**entries(GOOD), MANIFEST: entries(GOOD)[MANIFEST].decode().encode("utf-16")}),
        "is not UTF-8",
    ),
    "a manifest with a note": (lambda: manifest(lambda m: {**m, "note": "alice"}), "has the unknown field 'note'"),
    "a manifest of the future": (lambda: manifest(lambda m: {**m, "format": 2}), "has format 2; this version reads 1"),
    "a version that is a name": (lambda: manifest(lambda m: {**m, "toolkit": "alice"}), "toolkit"),
    "another size": (
        lambda: manifest(lambda m: {**m, "parts": [{**part, "size": 7} for part in m["parts"]]}),
        "manifest.json says 7",
    ),
    "another hash": (
        lambda: manifest(lambda m: {**m, "parts": [{**part, "sha256": "0" * 64} for part in m["parts"]]}),
        "has another SHA-256 than manifest.json says",
    ),
    "a part that is not there": (
        lambda: manifest(lambda m: {**m, "parts": [*m["parts"], {**m["parts"][-1], "name": "rows/validation_2.json"}]}),
        "does not list the files that are there",
    ),
    "a part that is not listed": (
        lambda: manifest(lambda m: {**m, "parts": m["parts"][1:]}),
        "does not list the files that are there",
    ),
}


def patched_sizes(size: int) -> bytes:
    data = bytearray(GOOD)
    place = data.find(CENTRAL)
    struct.pack_into("<II", data, place + 20, size, size)
    return bytes(data)


def manifest(change: Callable[[dict], object]) -> bytes:
    files = entries(GOOD)
    return archive({**files, MANIFEST: json.dumps(change(json.loads(files[MANIFEST]))).encode()})


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_line_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    make, said = HOSTILE[name]
    path = tmp_path / "bundle.zip"
    path.write_bytes(make())
    with pytest.raises(ConfigError, match=said) as refused:
        unpack(str(path))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000
    assert list(tmp_path.iterdir()) == [path]


def test_a_bomb_is_small_and_would_be_large() -> None:
    assert len(bomb()) < 1 << 20


def test_no_byte_of_a_bundle_can_be_another_one(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    for place in range(len(GOOD)):
        data = bytearray(GOOD)
        data[place] ^= 0x41
        path.write_bytes(data)
        with pytest.raises(ConfigError):
            unpack(str(path))


@given(st.dictionaries(st.sampled_from(NAMES[2:]), st.binary(max_size=300), min_size=1), st.binary(), st.binary())
def test_what_is_packed_is_unpacked_again(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, bytes], constants: bytes, report: bytes
) -> None:
    parts = {CONSTANTS: constants, REPORT: report, **rows}
    path = tmp_path_factory.mktemp("packed") / "bundle.zip"
    path.write_bytes(pack("0.1.0", MACHINE, parts))
    _, found, files = unpack(str(path))
    assert files == parts
    assert found.machine == MACHINE
    assert pack("0.1.0", MACHINE, dict(reversed(parts.items()))) == path.read_bytes()


def test_other_programs_read_a_bundle(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as read:
        assert read.testzip() is None
        assert read.namelist()[0] == MANIFEST
        assert {zlib.crc32(read.read(name)) for name in read.namelist()} == {entry.CRC for entry in read.infolist()}


@pytest.mark.parametrize("name", ["a pipe", "a folder", "a link to nothing", "nothing there"])
def test_what_is_no_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    import os  # noqa: PLC0415  # of this test alone

    path = tmp_path / "bundle.zip"
    make = {
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
        "a link to nothing": lambda: path.symlink_to("x"),
    }
    make.get(name, lambda: None)()
    with pytest.raises(ConfigError, match="cannot be read as ZIP"):
        open_bundle(str(path))
