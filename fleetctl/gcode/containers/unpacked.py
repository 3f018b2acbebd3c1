"""What comes out of a container beside the text: values only."""

from __future__ import annotations

from typing import Protocol

import msgspec

from fleetctl.gcode.origin import ContainerFacts


class PlainTarget(Protocol):
    """Where plain text goes."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""
        ...


class Picture(msgspec.Struct, frozen=True):
    """A picture of the print: points, `png`/`jpg`/`qoi`, size, and its bytes unless they are too many to carry."""

    width_px: int
    height_px: int
    format: str
    size_bytes: int
    data: bytes | None = None


class UnpackedProgram(msgspec.Struct, frozen=True, kw_only=True):
    """A program taken out of its container.

    `sha256` and `size_bytes` are those of the plain text that was written to the target. `comments` is what the
    container says about the program, in the form in which a slicer says it in plain text (`; key = value` lines), so
    that one reader serves both; it may hold secrets and is not to be stored.
    """

    sha256: str
    size_bytes: int
    container: ContainerFacts
    comments: bytes = b""
    pictures: tuple[Picture, ...] = ()


PICTURES_CARRIED_BYTES = 96 << 10
"""Pictures carried with a program, together; the smallest go first. More would make every list of programs heavy."""


def carried(pictures: list[Picture]) -> tuple[Picture, ...]:
    """The pictures as they were found, those over the budget without their bytes."""
    room = PICTURES_CARRIED_BYTES
    keep: set[int] = set()
    for index in sorted(range(len(pictures)), key=lambda i: pictures[i].size_bytes):
        room -= pictures[index].size_bytes
        if room < 0:
            break
        keep.add(index)
    return tuple(
        picture if index in keep else msgspec.structs.replace(picture, data=None)
        for index, picture in enumerate(pictures)
    )


def comment_lines(pairs: list[tuple[str, str]]) -> bytes:
    """Pairs as a slicer writes them into plain text: `; key = value`."""
    return "".join(f"; {key} = {_one_line(value)}\n" for key, value in pairs).encode()


def _one_line(text: str) -> str:
    return " ".join(text.split())
