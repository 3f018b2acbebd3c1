"""What a slicer claims about its own program, made of the pairs in its comments, for every slicer that writes them.

Only names and units of the slicers are known here. It must not check a claim, nor read a file.

Sources: files written by the slicers themselves (PrusaSlicer 2.5 to 2.8, OrcaSlicer, Bambu Studio, Cura 5,
KISSlicer 1.6), the footers that Kiri:Moto and IceSL print, and for Simplify3D, ideaMaker and Fusion 360 the names
that RepRapFirmware's file parser looks for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleetctl.gcode.facts import SlicerClaims
from fleetctl.gcode.metadata import seconds

Pairs = Mapping[str, str]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?|-?\.\d+")
_TOTAL_TIME = re.compile(r"total estimated time\s*:\s*([^;]*)")
_METRES = re.compile(r"(?:\d+(?:\.\d+)?m(?:,\s*)?)+")

# fmt: off
_DURATION = (
    "estimated printing time (normal mode)", "model printing time", "total estimated time", "estimated printing time",
    "time", "print.time", "print time", "build time", "estimated build time", "calculated build time",
    "estimated_print_time_s",
)
_MODEL = (
    "printer_model", "target_machine.name", "printer_name", "printer_settings_id", "printer_model_id", "printer",
    "profilename",
)
_NOZZLE = (
    "nozzle_diameter", "extruder_train.0.nozzle.diameter", "nozzle_diameter_mm_0", "nozzle_dia_mm",
    "extruderdiameter", "nozzle diameter",
)
_LAYER = (
    "layer_height", "layer height", "layerheight", "z_layer_height_mm", "layer_thickness_mm",
    "max_layer_thickness_mm", "sliceheight",
)
_FIRST_LAYER = (
    "first_layer_height", "initial_layer_print_height", "layer_height_0", "z_layer_height_first_layer_mm",
    "first_layer_thickness_mm", "firstsliceheight",
)
_LAYERS = ("total layer number", "total layers count", "layer_count", "layer count")
_KIND = ("filament_type", "printmaterial", "material_type")
_LENGTH = ("filament used [mm]", "total filament length [mm]", "filament_used_mm", "filament length")
_WEIGHT = ("filament used [g]", "total filament weight [g]", "filament_used_g", "plastic weight", "filament weight")
_COST = ("filament cost", "total filament cost", "material cost", "estimated build cost")
_DIAMETER = ("filament_diameter", "material_diameter", "filamentdiameters", "fiber_dia_mm", "filament_diameter_mm_0")
_DENSITY = ("filament_density", "filamentdensities")
_PROFILE = ("print_settings_id", "process_settings_id", "quality_name", "profilename", "printprofile")
# fmt: on


def claims(pairs: Pairs) -> SlicerClaims:
    """The slicer's own figures out of its pairs."""
    layers = _numbers(_first(pairs, *_LAYERS))
    return SlicerClaims(
        duration_s=_duration(pairs),
        printer_model=_first(pairs, *_MODEL).strip('"'),
        profile=_first(pairs, *_PROFILE).strip('"'),
        nozzle_mm=_positive(_first(pairs, *_NOZZLE)) or _idea_nozzle(pairs),
        layer_height_mm=_positive(_first(pairs, *_LAYER)),
        first_layer_mm=_positive(_without_percent(_first(pairs, *_FIRST_LAYER))),
        layers=int(layers[0]) if layers and 0 <= layers[0] < 1e9 else None,
        filament_type=_words(_first(pairs, *_KIND)) or _per_tool_words(pairs, "filament type #{}"),
        filament_name=_words(_first(pairs, "filament_settings_id", "filament_name", "material_name"))
        or _per_tool_words(pairs, "filament name #{}"),
        filament_mm=_lengths(pairs),
        filament_g=_leading(_first(pairs, *_WEIGHT)),
        filament_cost=_leading(_first(pairs, *_COST)),
        filament_diameter_mm=_numbers(_first(pairs, *_DIAMETER)) or _per_tool(pairs, "filament diameter #{}"),
        filament_density_g_cm3=tuple(
            _density(each) for each in _numbers(_first(pairs, *_DENSITY)) or _per_tool(pairs, "filament density #{}")
        ),
    )


def _first(pairs: Pairs, *keys: str) -> str:
    return next((pairs[key] for key in keys if pairs.get(key)), "")


def _numbers(text: str) -> tuple[float, ...]:
    """Every number of a text; hundreds of digits are none, and must not become infinity."""
    return tuple(value for n in _NUMBER.findall(text) if abs(value := float(n)) < 1e12)


def _leading(text: str) -> tuple[float, ...]:
    """Numbers of `3.70 g (0.01 lb)` or `1.5, 2.5`: what stands in brackets is the same again in other units."""
    return _numbers(text.split("(")[0])


def _positive(text: str) -> float | None:
    numbers = _numbers(text)
    return numbers[0] if numbers and numbers[0] > 0 else None


def _without_percent(text: str) -> str:
    """A first layer in percent of the others is no height."""
    return "" if "%" in text else text


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip().strip('"') for word in re.split("[;,]", text) if word.strip().strip('"'))


def _duration(pairs: Pairs) -> float | None:
    """The whole time where Bambu Studio gives two in one line."""
    text = _first(pairs, *_DURATION)
    whole = _TOTAL_TIME.search(text)
    return seconds(whole.group(1) if whole else text) if text else None


def _lengths(pairs: Pairs) -> tuple[float, ...]:
    """Lengths per tool, mm: one entry a tool from ideaMaker, KISSlicer and Fusion 360, a list from others; Cura's
    are metres."""
    used = pairs.get("filament used", "")
    if _METRES.fullmatch(used):
        return tuple(n * 1000 for n in _numbers(used))
    for form in ("material#{} used", "ext {}", "extruder {} material used"):
        lengths = _per_tool(pairs, form)
        if lengths:
            return lengths
    found = _leading(_first(pairs, *_LENGTH))
    return found or (_leading(used) if "mm" in used else ()) or _leading(pairs.get("total filament length used", ""))


def _per_tool(pairs: Pairs, form: str) -> tuple[float, ...]:
    """The first number of `form` with 1, 2, 3 in it, or 0, 1, 2 from writers that count from 0."""
    found = []
    for number in range(0 if form.format(0) in pairs else 1, 33):
        text = pairs.get(form.format(number))
        numbers = _numbers(text) if text else ()
        if not numbers:
            break
        found.append(numbers[0])
    return tuple(found)


def _per_tool_words(pairs: Pairs, form: str) -> tuple[str, ...]:
    found = (pairs.get(form.format(number), "") for number in range(1, 33))
    return tuple(word for word in found if word)


def _density(value: float) -> float:
    """ideaMaker writes kg/m3."""
    return value / 1000 if value > 100 else value


def _idea_nozzle(pairs: Pairs) -> float | None:
    """ideaMaker's `Dimension: width depth height nozzle nozzle`."""
    size = _numbers(pairs.get("dimension", ""))
    return size[3] if len(size) > 3 and 0 < size[3] < 5 else None
