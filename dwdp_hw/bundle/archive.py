"""Pack the parts of a bundle into one file, the same bytes for the same parts, and unpack no other bytes."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dwdp_sim.base.errors import ConfigError, shorten
from dwdp_sim.base.json_rows import json_rows
from dwdp_sim.base.typed_file import Name, convert
from dwdp_sim.base.user_file import parse_json, read_data

FORMAT = 1
MANIFEST, CONSTANTS, REPORT = "manifest.json", "constants.yaml", "report.json"
ROWS_OF_A_FOLDER = ("calibration_rows*.json", "validation_rows.json")
"""Files of rows that live calibrations and validations leave in their folders."""
CALIBRATION, VALIDATION = "calibration", "validation"
_ROWS = re.compile(rf"rows/({CALIBRATION}|{VALIDATION})_[1-9]\d?\.json", re.ASCII)
_MOST_ENTRIES = 64
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that the format knows
_DIRECTORY_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
_UNIX = 3
_SHA256 = r"^[0-9a-f]{64}$"


class Part(Struct, forbid_unknown_fields=True):
    """A file in a bundle, by its name there."""

    name: Annotated[str, Meta(max_length=100)]
    size: Annotated[int, Meta(ge=0, le=1 << 40)]
    sha256: Annotated[str, Meta(pattern=_SHA256)]


class Manifest(Struct, forbid_unknown_fields=True):
    """The first file of a bundle.

    Attributes:
        format: Of the bundle.
        toolkit: Version of this package that wrote it; 0.0 of a source tree that was not installed.
        machine: Kind and number of GPUs, versions of driver and libraries.
        parts: Every other file.
    """

    format: Annotated[int, Meta(ge=1)]
    toolkit: Annotated[str, Meta(pattern=r"^\d{1,4}(\.\d{1,4}){1,3}([a-z]{1,4}\d{1,4})?$")]
    machine: dict[Name, str | int | list[str]]
    parts: list[Part]


def pack(toolkit: str, machine: Mapping[str, Any], parts: Mapping[str, bytes]) -> bytes:
    """The bytes of a bundle: a ZIP file whose entries are stored, in order, without a date.

    Args:
        toolkit: Version that writes it.
        machine: As `clean.clean_machine` has it.
        parts: Files by name: `CONSTANTS`, `REPORT`, and rows.
    """
    entries = [Part(name, len(parts[name]), hashlib.sha256(parts[name]).hexdigest()) for name in sorted(parts)]
    manifest = json_rows(msgspec.to_builtins(Manifest(FORMAT, toolkit, dict(machine), entries))).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in (MANIFEST, *sorted(parts)):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = _UNIX
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, manifest if name == MANIFEST else parts[name])
    return buffer.getvalue()


def unpack(path: str) -> tuple[str, Manifest, dict[str, bytes]]:
    """The SHA-256 of a bundle's file, its manifest, and its other files by name.

    Raises:
        ConfigError: It is not what `pack` makes of its files; nothing of it has been written anywhere.
    """
    data = read_data(path, "bundle", "ZIP")
    if data.count(_DIRECTORY_ENTRY) > _MOST_ENTRIES:
        raise _refusal(path, f"has more than {_MOST_ENTRIES} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(data), path)
            files = {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError, OSError, RuntimeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise _refusal(path, f"cannot be read as ZIP: {shorten(str(error))}") from error
    if MANIFEST not in files:
        raise _refusal(path, f"has no {MANIFEST}")
    manifest = _read_manifest(files.pop(MANIFEST), path)
    _check_parts(manifest, files, path)
    if pack(manifest.toolkit, manifest.machine, files) != data:
        raise _refusal(path, "has bytes beside its files, or another order or form than dwdp-hw bundle writes")
    return hashlib.sha256(data).hexdigest(), manifest, files


def _check_entries(entries: Sequence[zipfile.ZipInfo], size: int, path: str) -> None:
    """Say what is commonly wrong with an archive, before anything of it is read."""
    names = [entry.filename for entry in entries]
    for entry in entries:
        named = f"entry {shorten(entry.filename)}"
        mode = entry.external_attr >> 16
        if entry.orig_filename != entry.filename or not is_part(entry.filename):
            raise _refusal(path, f"{named} is no part of a bundle")
        if names.count(entry.filename) > 1:
            raise _refusal(path, f"{named} stands in it twice")
        if entry.flag_bits & _ENCRYPTED:
            raise _refusal(path, f"{named} is encrypted")
        if mode and not stat.S_ISREG(mode):
            raise _refusal(path, f"{named} is a link, folder or device, not a file")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise _refusal(path, f"{named} is compressed; a bundle's entries are stored")
        if entry.file_size > size:
            raise _refusal(path, f"{named} claims {entry.file_size} bytes in a file of {size}")


def is_part(name: str) -> bool:
    """Whether a file of a bundle may have this name."""
    return name in (MANIFEST, CONSTANTS, REPORT) or _ROWS.fullmatch(name) is not None


def _read_manifest(data: bytes, path: str) -> Manifest:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(path, f"{MANIFEST} is not UTF-8") from error
    manifest = convert(parse_json(text, path, "bundle"), Manifest, path, "bundle")
    if manifest.format > FORMAT:
        raise _refusal(path, f"has format {manifest.format}; this version reads {FORMAT}")
    return manifest


def _check_parts(manifest: Manifest, files: Mapping[str, bytes], path: str) -> None:
    listed = {part.name: part for part in manifest.parts}
    if sorted(files) != [part.name for part in manifest.parts]:
        both = sorted(set(files) ^ set(listed)) or ["in another order"]
        raise _refusal(path, f"{MANIFEST} does not list the files that are there: {shorten(', '.join(both))}")
    for name in (CONSTANTS, REPORT):
        if name not in files:
            raise _refusal(path, f"has no {name}")
    if len(files) < 3:
        raise _refusal(path, "has no rows")
    for name, data in files.items():
        if len(data) != listed[name].size:
            raise _refusal(path, f"{name} has {len(data)} bytes, {MANIFEST} says {listed[name].size}")
        if hashlib.sha256(data).hexdigest() != listed[name].sha256:
            raise _refusal(path, f"{name} has another SHA-256 than {MANIFEST} says")


def _refusal(path: str, why: str) -> ConfigError:
    return ConfigError("bundle", path, why)
