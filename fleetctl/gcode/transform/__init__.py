"""Makes new programs from a program, deterministically: strip, fold, number, unnumber, restart, insert.

The result is a program like any other: it has its own hash, names its parent, and must pass the gate itself.
"""

from fleetctl.gcode.transform.catalogue import TRANSFORMATIONS, preview, transform
from fleetctl.gcode.transform.contract import Preview, PreviewLine, Transformed

__all__ = ["TRANSFORMATIONS", "Preview", "PreviewLine", "Transformed", "preview", "transform"]
