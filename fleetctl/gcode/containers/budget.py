"""How far a container may grow: the guard against files that are small to send and endless to unpack.

Counts, and refuses. It must not know formats.
"""

from __future__ import annotations

from fleetctl.errors import NotGcode

PLAIN_MOST_BYTES = (4 << 30) - 1
"""The greatest plain program: what a FAT32 card, which printers read, can hold. Sliced programs of 1 GB exist."""

RATIO_MOST = 250
"""Plain bytes for each byte of the container, at most. Sliced programs shrink 4 to 6 times under gzip and binary
G-code, generated ones of nearly equal lines up to about 100 times; deflate itself reaches 1032: only bombs do."""

RATIO_FREE_BYTES = 64 << 20
"""No ratio is refused below this much plain text: it does no harm, and short programs of equal lines shrink far."""

METADATA_MOST_BYTES = 4 << 20
"""The greatest block of settings; PrusaSlicer's are about 15 kB plain, Bambu Studio's 40 kB."""

PICTURE_MOST_BYTES = 8 << 20
"""The greatest picture that is read at all; slicers write up to about 512 x 512 points."""

PART_MOST = 4096
"""Pictures and blocks of settings, or files in a zip, at most; slicers write fewer than a hundred."""


class Budget:
    """Counts plain bytes against the bytes of one container."""

    def __init__(self, container_bytes: int) -> None:
        self._container_bytes = max(1, container_bytes)
        self.plain_bytes = 0

    def add(self, count: int) -> None:
        """`count` more plain bytes. Raises NotGcode when they are too many."""
        self.plain_bytes += count
        if self.plain_bytes > PLAIN_MOST_BYTES:
            raise NotGcode(
                f"This file unpacks to more than {PLAIN_MOST_BYTES} bytes.",
                hint="Export the program in smaller parts.",
            )
        if self.plain_bytes > RATIO_FREE_BYTES and self.plain_bytes > RATIO_MOST * self._container_bytes:
            raise NotGcode(
                f"This file unpacks to more than {RATIO_MOST} times its size; no slicer writes such a file.",
                hint="Export the program again, as plain G-code.",
            )
