"""On which line a layer begins: the core's own table of layers, as `Analysis.layer_table` holds it.

Layers are counted from 1 as `Analysis.layers` counts them. A program whose slicer marks no layers has none here:
where a height is worked at for the first time need not be where its layer begins.
"""

from __future__ import annotations

from fleetctl._ext import gcode_core
from fleetctl.errors import CannotTransform
from fleetctl.gcode.dialects import Dialect
from fleetctl.gcode.source import open_source
from fleetctl.gcode.transform.contract import Given


def line_of_layer(given: Given, dialect: Dialect, layer: int) -> int:
    """The line of the marker that begins a layer. Raises CannotTransform when there is none."""
    if layer < 1:
        raise CannotTransform("Layers are counted from 1.", hint="Give a layer as the slicer's preview counts them.")
    scan = gcode_core.Scanner(dialect.reads, False)
    with open_source(given) as opened:
        for block in opened.blocks():
            scan.feed(block)
    scan.finish()
    count, marked_by = scan.layers()
    lines = memoryview(scan.layer_rows()[0]).cast("q")
    if marked_by != "comments" or not len(lines):
        raise CannotTransform(
            "No comment of the slicer says where a layer begins.",
            hint="Give a line instead, or slice again with comments for layers.",
        )
    if layer > count:
        raise CannotTransform(f"The program has {count} layers; there is no layer {layer}.", hint="Choose another.")
    if layer > len(lines):
        raise CannotTransform(
            f"Only the first {len(lines)} layers of this program are kept.", hint="Give a line instead."
        )
    return lines[layer - 1]
