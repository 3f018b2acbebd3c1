"""Where a program came out of: the file that was given, when that was not the plain text itself.

Only values. The program is always the plain text; this says what it was wrapped in, so that a person finds the file
again that they exported. It must not know how a container is read.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ContainerKind = Literal["gzip", "bgcode", "3mf", "zip"]


class ContainerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The container of a program, as it was received.

    `name` is its file name (empty if it had none), `sha256` and `size_bytes` are those of the whole container.
    `member` is the name of the program inside, where the container gives one. `plate` is the plate that was taken of
    a `.gcode.3mf`, `plates` are all that it holds; None and empty for the other kinds.
    """

    kind: ContainerKind
    name: str = ""
    sha256: str
    size_bytes: int
    member: str = ""
    plate: int | None = None
    plates: tuple[int, ...] = ()
