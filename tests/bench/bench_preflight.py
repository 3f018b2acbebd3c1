"""How long one check of a program against a machine takes: microseconds, from facts alone.

Prints one JSON object. `farm` is a day's worst case: each of 10,000 programs asked of each of 1,000 machines, which
are set up in 20 ways; the gate asks once for each way (by configuration hash), so it is 200,000 checks.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import msgspec

from fleetctl.gcode import Analysis, analyze
from fleetctl.model.profile import PROFILES, Profile, Setup
from fleetctl.preflight.gate import check
from fleetctl.preflight.rules import RULES
from fleetctl.sim import sample

ROUNDS = 9
CHECKS = 2000
PROGRAMS, MACHINES, WAYS = 10_000, 1_000, 20

PRINTER_SETUP = Setup(material="PLA", nozzle_mm=0.4, filament_diameter_mm=1.75)
MILL_SETUP = Setup(offsets_mm={"G54": sample.MILL_OFFSET_MM}, stock_top_mm={"G54": 0.0}, laser_mode=False)


def microseconds(analysis: Analysis, profile: Profile, setup: Setup) -> dict[str, float | int]:
    """CPU microseconds of one check, median and spread over some rounds."""
    spent = []
    for _ in range(ROUNDS):
        begun_s = time.process_time()
        for _ in range(CHECKS):
            verdict = check(analysis, profile, setup)
        spent.append((time.process_time() - begun_s) / CHECKS * 1e6)
    return {
        "findings": len(verdict.findings),
        "median_us": round(statistics.median(spent), 1),
        "least_us": round(min(spent), 1),
        "most_us": round(max(spent), 1),
    }


def main() -> None:
    """Measure and print."""
    printer, mill = PROFILES["generic-220"], PROFILES["generic-mill-3018"]
    small = msgspec.structs.replace(printer, nozzle_max_degc=200.0)
    printing, milling = analyze(sample.bracket()), analyze(sample.milled_plate())
    spoiled = analyze(sample.milled_plate() + b"G10 L20 P1 X0\nG1 X900 A3\nG68 R3\nT9 M6\nM500\n")
    found = {
        "print_fits": microseconds(printing, printer, PRINTER_SETUP),
        "mill_fits": microseconds(milling, mill, MILL_SETUP),
        "print_too_hot": microseconds(printing, small, PRINTER_SETUP),
        "mill_with_many_findings": microseconds(spoiled, mill, MILL_SETUP),
    }
    one_us = max(float(found["print_fits"]["median_us"]), float(found["mill_fits"]["median_us"]))
    farm = {
        "programs": PROGRAMS,
        "machines": MACHINES,
        "ways_of_set_up": WAYS,
        "checks": PROGRAMS * WAYS,
        "cpu_s": round(PROGRAMS * WAYS * one_us / 1e6, 1),
        "cpu_s_if_no_two_machines_were_alike": round(PROGRAMS * MACHINES * one_us / 1e6),
    }
    said = {"bench": "preflight", "python": sys.version.split()[0], "rules": len(RULES), **found, "farm": farm}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
