"""What every transformation gives: a preview for a person, the bytes of the new program, and where it came from.

Values and types only. A transformation is deterministic: the same program and the same parameters give the same
bytes, whatever the time, the machine or the order of asking.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from fleetctl.gcode.dialects import Dialect

Given = str | os.PathLike[str] | bytes | bytearray | memoryview
"""A path, or the bytes of a program."""

P = TypeVar("P", bound="Parameters")


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person chose. Every field has a unit in its name where it has one."""


class PreviewLine(msgspec.Struct, frozen=True):
    """One line that is put in, and why, in a sentence that a person can check."""

    text: str
    reason: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a transformation would do. `first_line` is the first line of the parent that is kept, as in the file;
    `at_mm` is where the tool is before it, in the program's own coordinates, where a transformation knows that."""

    name: str
    summary: str
    first_line: int = 1
    lines: tuple[PreviewLine, ...] = ()
    warnings: tuple[str, ...] = ()
    at_mm: tuple[float, float, float] | None = None


class Transformed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a program came from. `parameters` is canonical JSON: every field in a fixed order, defaults too."""

    name: str
    version: int
    parameters: msgspec.Raw
    parent_sha256: str
    sha256: str
    size_bytes: int

    @property
    def record(self) -> str:
        """Name, version and parameters as one line of canonical JSON, as it is stored with the new program."""
        values = {"name": self.name, "parameters": self.parameters, "version": self.version}
        return msgspec.json.encode(values, order="deterministic").decode()


class Prepared(msgspec.Struct, frozen=True):
    """A transformation that is ready: nothing was refused. `blocks` gives the bytes of the new program, in order."""

    preview: Preview
    blocks: Callable[[], Iterator[bytes]]


class Transformation(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """One kind of transformation. `version` counts up whenever the same parameters would give other bytes.

    `prepare` raises CannotTransform or UsageError, with what to do instead.
    """

    name: str
    version: int
    title: str
    parameters: type[P]
    prepare: Callable[[Given, Dialect, P], Prepared]


def canonical(parameters: Parameters) -> bytes:
    """Parameters as canonical JSON."""
    return msgspec.json.encode(parameters, order="deterministic")
