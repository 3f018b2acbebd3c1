"""`unpack`: a container in, its plain program out, with its hash and what the container says.

Puts the readers of the formats together. It must not know any format itself beyond its first bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from fleetctl.errors import NotGcode
from fleetctl.gcode.containers import bgcode, gzip_file, zip_file
from fleetctl.gcode.containers.budget import Budget
from fleetctl.gcode.containers.unpacked import PlainTarget, UnpackedProgram, carried
from fleetctl.gcode.origin import ContainerFacts, ContainerKind

Given = str | os.PathLike[str] | bytes | bytearray | memoryview
"""A path, or the bytes themselves."""

HASH_BYTES = 1 << 20

_MAGIC: tuple[tuple[bytes, ContainerKind], ...] = (
    (b"\x1f\x8b", "gzip"),
    (bgcode.MAGIC, "bgcode"),
    (b"PK\x03\x04", "3mf"),
    (b"PK\x05\x06", "3mf"),
)


def kind_of(head: bytes) -> ContainerKind | None:
    """The container that a file beginning with these bytes (four or more) is, or None: plain text, or anything else.

    `3mf` here stands for every zip archive.
    """
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def unpack(source: Given, target: PlainTarget, *, plate: int | None = None, name: str = "") -> UnpackedProgram:
    """Writes the plain program of a container to `target`, in blocks; memory does not grow with the file.

    `plate` chooses one of several in a `.gcode.3mf`; `name` is the file name to remember. Raises NotGcode for what is
    no container, damaged, cut off, or grows too far (`budget`), UsageError for a plate that is not there or not said,
    OSError for a file that cannot be read or a target that cannot be written.
    """
    with _opened(source) as file:
        kind = kind_of(file.read(4))
        file.seek(0)
        if kind is None:
            raise NotGcode("This is no container that can be unpacked.", hint="Send the G-code file.")
        size, sha256 = _measure(file)
        writing = _Writing(target, Budget(size))
        facts = ContainerFacts(kind=kind, name=name or _name(source), sha256=sha256, size_bytes=size)
        return _READERS[kind](file, facts, writing, plate)


class _Writing:
    """Writes plain text on, counted and hashed."""

    def __init__(self, target: PlainTarget, budget: Budget) -> None:
        self._target = target
        self._budget = budget
        self._digest = hashlib.sha256()

    def all(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            if block:
                self._budget.add(len(block))
                self._digest.update(block)
                self._target.write(block)

    def done(self, facts: ContainerFacts, reader: bgcode.Reader | zip_file.Archive | None) -> UnpackedProgram:
        return UnpackedProgram(
            sha256=self._digest.hexdigest(),
            size_bytes=self._budget.plain_bytes,
            container=facts,
            comments=reader.comments if reader else b"",
            pictures=carried(reader.pictures) if reader else (),
        )


def _gzip(file: BinaryIO, facts: ContainerFacts, writing: _Writing, _plate: int | None) -> UnpackedProgram:
    member = gzip_file.member_name(file.read(1024))
    file.seek(0)
    writing.all(gzip_file.blocks(file))
    return writing.done(_with(facts, member=member), None)


def _bgcode(file: BinaryIO, facts: ContainerFacts, writing: _Writing, _plate: int | None) -> UnpackedProgram:
    reader = bgcode.Reader(file)
    writing.all(reader.blocks())
    return writing.done(facts, reader)


def _zip(file: BinaryIO, facts: ContainerFacts, writing: _Writing, plate: int | None) -> UnpackedProgram:
    archive = zip_file.Archive(file)
    archive.choose(plate)
    writing.all(archive.blocks())
    kind: ContainerKind = "3mf" if archive.by_plates else "zip"
    found = _with(facts, kind=kind, member=archive.member, plate=archive.plate, plates=archive.plates)
    return writing.done(found, archive)


_READERS = {"gzip": _gzip, "bgcode": _bgcode, "3mf": _zip, "zip": _zip}


def _with(facts: ContainerFacts, **more: object) -> ContainerFacts:
    return msgspec.structs.replace(facts, **more)


@contextmanager
def _opened(source: Given) -> Iterator[BinaryIO]:
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    else:
        with Path(source).open("rb") as file:
            yield file


def _name(source: Given) -> str:
    return "" if isinstance(source, bytes | bytearray | memoryview) else Path(source).name


def _measure(file: BinaryIO) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    while block := file.read(HASH_BYTES):
        digest.update(block)
        size += len(block)
    file.seek(0)
    return size, digest.hexdigest()
