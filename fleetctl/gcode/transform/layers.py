"""On which line a layer begins, by the slicer's own comments.

Layers are counted from 1 as `Analysis.layers` counts them. A program whose slicer marks no layers has none here:
where a height is worked at for the first time need not be where its layer begins.
"""

from __future__ import annotations

import re

from fleetctl.errors import CannotTransform
from fleetctl.gcode.source import open_source
from fleetctl.gcode.transform.contract import Given

# The groups in the order in which the core takes them (gcode_comment.pxd): files may hold two kinds.
_MARKER = re.compile(rb"; *(?i:(layer_change)|(layer:)|(change_layer)|(layer \d)|(begin_layer_))")


def line_of_layer(given: Given, layer: int) -> int:
    """The line of the marker that begins a layer. Raises CannotTransform when there is none."""
    if layer < 1:
        raise CannotTransform("Layers are counted from 1.", hint="Give a layer as the slicer's preview counts them.")
    counts = [0] * _MARKER.groups
    found: list[int | None] = [None] * _MARKER.groups
    line, rest = 1, b""
    with open_source(given) as opened:
        for block in opened.blocks():
            text = rest + bytes(block)
            whole = max(text.rfind(b"\n"), text.rfind(b"\r", 0, len(text) - 1)) + 1
            line = _count(text[:whole], layer, line, counts, found)
            rest = text[whole:]
    _count(rest, layer, line, counts, found)
    for count, at in zip(counts, found, strict=True):
        if at is not None:
            return at
        if count:
            raise CannotTransform(
                f"The program has {count} layers; there is no layer {layer}.", hint="Choose another."
            )
    raise CannotTransform(
        "No comment of the slicer says where a layer begins.",
        hint="Give a line instead, or slice again with comments for layers.",
    )


def _count(text: bytes, layer: int, line: int, counts: list[int], found: list[int | None]) -> int:
    """Count the markers of whole lines, the first of which is `line`; returns the line behind them."""
    at = 0
    for marker in _MARKER.finditer(text):
        if marker.start() and text[marker.start() - 1] not in b"\r\n":
            continue
        kind = (marker.lastindex or 1) - 1
        counts[kind] += 1
        if counts[kind] == layer:
            line += _lines(text, at, marker.start())
            at = marker.start()
            found[kind] = line
    return line + _lines(text, at, len(text))


def _lines(text: bytes, start: int, end: int) -> int:
    """Line ends in a part of a text: LF, CR, or CR and LF together."""
    feeds = text.count(b"\n", start, end)
    returns = text.count(b"\r", start, end)
    return feeds + returns - (text.count(b"\r\n", start, end) if returns else 0)
