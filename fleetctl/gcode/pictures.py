"""Pictures of the print in a program's comments, and those that came in its container.

Finds them; it must not decode one. Sources: PrusaSlicer and OrcaSlicer (`thumbnail begin`), Creality Print and Cura's
scripts for it (`png begin`), Snapmaker Luban (`data:image`), and the displays whose own codings OrcaSlicer and MKS's
scripts write: `gimage` and `simage`, and BIGTREETECH's rows of hex.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleetctl.gcode.containers.unpacked import Picture
from fleetctl.gcode.facts import Thumbnail

MOST = 64
"""Pictures in one program, at most."""

_BEGIN = re.compile(
    rb"(?im)^;[ \t]*(?:thumbnail(?:_([a-z]{2,4}))?|(png|jpg|jpeg|qoi)) begin[ \t]+(\d{1,5})[x* ](\d{1,5})[ \t]+"
    rb"(\d{1,9})[^\r\n]*\r?\n"
)
_DATA_URI = re.compile(rb"(?im)^;[ \t]*thumbnail:[ \t]*data:image/(png|jpeg|jpg);base64,([A-Za-z0-9+/=]+)")
_DISPLAY = re.compile(rb"(?m)^;{1,2}([gs]image):([^\r\n]+)")
_BIGTREE = re.compile(rb"(?im)^;([0-9a-f]{4})([0-9a-f]{4})\r?\n(?=;[0-9a-f]{8})")
_BIGTREE_END = b"; bigtree thumbnail end"


def comment_pictures(head: bytes) -> tuple[Thumbnail, ...]:
    """Pictures in the comments of the head of a program, in their order."""
    found = [_said_size(each) for each in _BEGIN.finditer(head)]
    found += [
        Thumbnail(0, 0, each.group(1).decode().lower().replace("jpeg", "jpg"), each.start(2), len(each.group(2)))
        for each in _DATA_URI.finditer(head)
    ]
    found += [
        Thumbnail(0, 0, each.group(1).decode(), each.start(2), len(each.group(2))) for each in _DISPLAY.finditer(head)
    ]
    if _BIGTREE_END in head:
        sizes = ((each, int(each.group(1), 16), int(each.group(2), 16)) for each in _BIGTREE.finditer(head))
        found += [Thumbnail(w, h, "btt", each.end(), 4 * w * h) for each, w, h in sizes if 8 <= w <= 512 >= h >= 8]
    return tuple(sorted(found, key=lambda each: each.offset_bytes)[:MOST])


def _said_size(found: re.Match[bytes]) -> Thumbnail:
    form = (found.group(1) or found.group(2) or b"png").decode().lower()
    return Thumbnail(
        width_px=int(found.group(3)),
        height_px=int(found.group(4)),
        format="jpg" if form == "jpeg" else form,
        offset_bytes=found.end(),
        size_bytes=int(found.group(5)),
    )


def container_pictures(pictures: Iterable[Picture]) -> tuple[Thumbnail, ...]:
    """Pictures of a container, which are in no line of the plain program."""
    return tuple(
        Thumbnail(each.width_px, each.height_px, each.format, 0, each.size_bytes, source="container", data=each.data)
        for each in list(pictures)[:MOST]
    )
