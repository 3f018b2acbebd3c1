"""Heaters against the machine, and whether the nozzle is hot when filament is pushed."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.rule import PRINTERS, finding, rule


@rule(
    "FQ002",
    "Hotter than the machine allows",
    "error",
    "Above its limit a hot end melts its own parts, and firmware that notices halts the print.",
)
def temperatures(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No heater is asked for more than the machine allows."""
    for heater, use in analysis.temperatures.items():
        cap = (
            profile.nozzle_max_degc
            if heater == "nozzle"
            else profile.bed_max_degc
            if heater == "bed"
            else profile.chamber_max_degc
        )
        if cap is None and use.max_degc > 0:
            yield finding(
                "FQ002",
                "error",
                use.max_line,
                f"The program heats the {heater} to {use.max_degc:g} °C; no such heater is on record here.",
                "Choose another machine, or enter the heater's limit in the profile.",
                use.max_column,
            )
        elif cap is not None and use.max_degc > cap:
            yield finding(
                "FQ002",
                "error",
                use.max_line,
                f"The program heats the {heater} to {use.max_degc:g} °C; this machine allows {cap:g} °C.",
                "Slice again with a lower temperature or choose another machine.",
                use.max_column,
            )


WAITS = ("M109", "M116", "TEMPERATURE_WAIT")


@rule(
    "FQ018",
    "Extrudes before the nozzle is hot",
    "error",
    "Cold filament is ground away by the extruder or refused by the firmware, and the first layers are missing.",
    PRINTERS,
)
def cold(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """The nozzle is given a temperature and waited for before filament is pushed; the firmware's own guard stays."""
    if mark := analysis.hazards.get("cold_allowed"):
        yield finding(
            "FQ018",
            "error",
            mark.line,
            "The program lets the extruder push cold filament (M302), and so would every later one: "
            "the firmware's own guard is off from here on.",
            "Take M302 out; do such work by hand, with the guard on again behind it.",
            mark.column,
        )
    if mark := analysis.hazards.get("extrude_before_hot"):
        yield finding(
            "FQ018",
            "error",
            mark.line,
            "The program pushes filament before it has given the nozzle any temperature.",
            "Begin with M104 or M109.",
            mark.column,
        )
        return
    if not analysis.first_work_line or "nozzle" not in analysis.temperatures or analysis.extended:
        return  # a macro may do what no word of the program shows
    waits = [use.first_line for word in WAITS if (use := analysis.words.get(word))]
    if min(waits, default=analysis.lines + 1) > analysis.first_work_line:
        yield finding(
            "FQ018",
            "warning",
            analysis.first_work_line,
            "The program prints before it has waited for the nozzle to be hot (M109).",
            "Put M109 with the temperature before the first line of plastic.",
        )
