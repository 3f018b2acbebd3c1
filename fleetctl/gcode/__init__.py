"""What a program is: typed facts over the compiled core. States facts, judges nothing."""

from fleetctl.gcode.analysis import analyze
from fleetctl.gcode.containers import UnpackedProgram, kind_of, unpack
from fleetctl.gcode.dialects import DIALECTS, Dialect
from fleetctl.gcode.facts import (
    Analysis,
    AxisRange,
    Bounds,
    Box,
    Ending,
    Finding,
    FrameBounds,
    HeaterUse,
    Mark,
    SlicerClaims,
    SpindleUse,
    Thumbnail,
    ToolUse,
    WordUse,
)
from fleetctl.gcode.hazards import HAZARDS
from fleetctl.gcode.limits import DEFAULT_LIMITS, MotionLimits
from fleetctl.gcode.origin import ContainerFacts

__all__ = [
    "DEFAULT_LIMITS",
    "DIALECTS",
    "HAZARDS",
    "Analysis",
    "AxisRange",
    "Bounds",
    "Box",
    "ContainerFacts",
    "Dialect",
    "Ending",
    "Finding",
    "FrameBounds",
    "HeaterUse",
    "Mark",
    "MotionLimits",
    "SlicerClaims",
    "SpindleUse",
    "Thumbnail",
    "ToolUse",
    "UnpackedProgram",
    "WordUse",
    "analyze",
    "kind_of",
    "unpack",
]
