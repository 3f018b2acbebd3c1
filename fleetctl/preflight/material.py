"""What is loaded and mounted against what the program was sliced for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from fleetctl.gcode.facts import Analysis, Finding, HeaterUse, Severity
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.materials import FAR_DEGC, Material, family
from fleetctl.preflight.rule import PRINTERS, finding, rule

TOLERANCE_MM = 0.01
"""Nozzles are named to a tenth of a millimetre or finer."""

FILAMENT_TOLERANCE_MM = 0.2
"""Filament is 1.75 or 2.85 mm; people who measure their own write 1.72."""

family_of = lru_cache(maxsize=1024)(family)


def _sliced_for(analysis: Analysis) -> tuple[str, ...]:
    """The materials that the slicer names, of tools that push filament where that is known."""
    kinds = analysis.claims.filament_type
    used = [kinds[tool] for tool in sorted(analysis.filament_mm) if 0 <= tool < len(kinds)]
    return tuple(dict.fromkeys(used or kinds))


def _same(loaded: str, wanted: str) -> bool:
    one, other = family_of(loaded), family_of(wanted)
    return one is other if one is not None and other is not None else loaded.casefold() == wanted.casefold()


@rule(
    "FQ021",
    "Sliced for another material",
    "error",
    "PETG at the temperatures of PLA does not flow, and PLA at those of ABS chars and clogs the nozzle.",
    PRINTERS,
)
def material(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """The material on record is the one that the program was sliced for."""
    if not analysis.claims.filament_type or not setup.material:
        return
    wanted = _sliced_for(analysis)
    odd = [kind for kind in wanted if not _same(setup.material, kind)]
    if not odd:
        return
    sure = family_of(setup.material) is not None and family_of(odd[0]) is not None
    severity: Severity = "error" if sure and len(odd) == len(wanted) else "warning"
    yield finding(
        "FQ021",
        severity,
        analysis.claims.lines.get("filament_type", 0),
        f"The program is sliced for {' and '.join(wanted)}; {setup.material} is loaded.",
        "Load the material, slice again for what is loaded, or correct the machine's set-up.",
    )


@rule(
    "FQ022",
    "Unusual temperature for the material",
    "error",
    "Too cold it does not bond, too hot it chars in the nozzle and gives off what nobody should breathe.",
    PRINTERS,
)
def material_heat(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """Nozzle and bed are within what is published for the material that is loaded."""
    if not setup.material or not analysis.temperatures:
        return
    kind = family_of(setup.material)
    if kind is None:
        return
    nozzle, bed = analysis.temperatures.get("nozzle"), analysis.temperatures.get("bed")
    if nozzle is not None and nozzle.max_degc > 0 and kind.nozzle_degc is not None:
        low, high = kind.nozzle_degc
        if not low <= nozzle.max_degc <= high:
            severity: Severity = "error" if nozzle.max_degc > high + FAR_DEGC else "warning"
            yield _unusual(severity, "nozzle", nozzle, kind, f"{low:g} to {high:g}")
    if bed is not None and kind.bed_max_degc is not None and bed.max_degc > kind.bed_max_degc:
        yield _unusual("warning", "bed", bed, kind, f"at most {kind.bed_max_degc:g}")


def _unusual(severity: Severity, heater: str, use: HeaterUse, kind: Material, usual: str) -> Finding:
    return finding(
        "FQ022",
        severity,
        use.max_line,
        f"The {heater} goes to {use.max_degc:g} °C; usual for {kind.name} is {usual} °C.",
        "Look at the spool; slice again with its temperatures or load what the program was sliced for.",
        use.max_column,
    )


@rule(
    "FQ023",
    "Sliced for another nozzle or filament",
    "error",
    "A wrong diameter changes how much plastic comes out: too much tears the part off, too little leaves gaps.",
    PRINTERS,
)
def diameters(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """Nozzle and filament have the diameters that the program was sliced for."""
    claims = analysis.claims
    nozzle_mm, mounted_mm = claims.nozzle_mm, setup.nozzle_mm
    if nozzle_mm is not None and mounted_mm is not None and abs(nozzle_mm - mounted_mm) > TOLERANCE_MM:
        yield finding(
            "FQ023",
            "error",
            claims.lines.get("nozzle_diameter", 0),
            f"The program is sliced for a nozzle of {nozzle_mm:g} mm; {mounted_mm:g} mm is mounted.",
            "Slice again, change the nozzle, or correct the machine's set-up.",
        )
    if setup.filament_diameter_mm is not None and claims.filament_diameter_mm:
        first = claims.filament_diameter_mm[0]
        if abs(first - setup.filament_diameter_mm) > FILAMENT_TOLERANCE_MM:
            yield finding(
                "FQ023",
                "error",
                claims.lines.get("filament_diameter", 0),
                f"The program is sliced for filament of {first:g} mm; this machine takes "
                f"{setup.filament_diameter_mm:g} mm.",
                "Slice again for this machine.",
            )
