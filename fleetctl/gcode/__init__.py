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
from fleetctl.gcode.rapids import LowestZ, RapidBounds
from fleetctl.gcode.toolpath import DETAILS, ToolPath, tool_path
from fleetctl.gcode.trace import FEATURES, FeatureUse, History, Layer, LayerTable, ObjectUse

__all__ = [
    "DEFAULT_LIMITS",
    "DETAILS",
    "DIALECTS",
    "FEATURES",
    "HAZARDS",
    "Analysis",
    "AxisRange",
    "Bounds",
    "Box",
    "ContainerFacts",
    "Dialect",
    "Ending",
    "FeatureUse",
    "Finding",
    "FrameBounds",
    "HeaterUse",
    "History",
    "Layer",
    "LayerTable",
    "LowestZ",
    "Mark",
    "MotionLimits",
    "ObjectUse",
    "RapidBounds",
    "SlicerClaims",
    "SpindleUse",
    "Thumbnail",
    "ToolPath",
    "ToolUse",
    "UnpackedProgram",
    "WordUse",
    "analyze",
    "kind_of",
    "tool_path",
    "unpack",
]
