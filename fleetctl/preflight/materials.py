"""Printing materials as data: families of names, and the temperatures that their makers publish.

Ranges are the widest of what several makers and shops print for the plain material (Creality's temperature chart of
2024: PLA 180-230, ABS 210-250, PETG 220-250, nylon 240-290 °C, TPU 210-230; other charts: ABS up to 260, TPU up to
250; beds PLA 20-60, PETG 50-90, ABS 90-110, TPU 20-60). They are cautious: outside is unusual, not wrong, for
blends differ. No range is given where no source was at hand.
"""

from __future__ import annotations

import re

import msgspec


class Material(msgspec.Struct, frozen=True):
    """One family. `nozzle_degc`: least and greatest usual temperature; `bed_max_degc`: greatest usual of the bed."""

    name: str
    nozzle_degc: tuple[float, float] | None = None
    bed_max_degc: float | None = None


MATERIALS: dict[str, Material] = {
    material.name: material
    for material in (
        Material("PLA", (180.0, 230.0), 70.0),
        Material("PETG", (220.0, 260.0), 90.0),
        Material("ABS", (210.0, 260.0), 115.0),
        Material("TPU", (200.0, 250.0), 70.0),
        Material("PA", (240.0, 290.0), 110.0),
        Material("ASA"),
        Material("PC"),
        Material("PP"),
        Material("PET"),
        Material("PVA"),
        Material("HIPS"),
        Material("PEEK"),
        Material("POM"),
    )
}

FAR_DEGC = 40.0
"""This much over the usual range no blend of the family is printed: it chars."""

_ALIASES = {
    "NYLON": "PA",
    "PA6": "PA",
    "PA11": "PA",
    "PA12": "PA",
    "PAHT": "PA",
    "PPA": "PA",
    "TPE": "TPU",
    "FLEX": "TPU",
    "TPU95A": "TPU",
    "HTPLA": "PLA",
    "PETG": "PETG",
    "PCTG": "PETG",
    "CPE": "PETG",
}
_PARTS = re.compile(r"[^A-Z0-9]+")


def family(text: str) -> Material | None:
    """The family that a person's or slicer's word names: `PLA+`, `PET-G`, `PA12-CF`; None if it names none."""
    upper = text.upper().replace("PET-G", "PETG")
    for part in _PARTS.split(upper):
        name = _ALIASES.get(part, part)
        if name in MATERIALS:
            return MATERIALS[name]
    return None
