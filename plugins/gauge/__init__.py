"""A simulated gauge as a check: measures what a simulated machine put on its tray. For demonstrations and tests.

It must not know runs or jobs beyond what the hook tells; see the README for which piece on the tray it takes.
"""

from __future__ import annotations

from pathlib import Path

from fleetctl.errors import ConfigurationError
from fleetctl.model.part import Result
from fleetctl.plugin.hookspecs import CheckResult, PartToCheck, hookimpl
from fleetctl.sim.gauge import Gauge

CHECK = "simulated gauge"
NOMINAL_MM = 20.0
TOLERANCE_MM = 0.1

_measured_for: dict[tuple[str, int], str] = {}
"""Which run each plate (tray, plate) was measured for: a plate belongs to one run only."""


@hookimpl
def fleetctl_check_part(part: PartToCheck) -> CheckResult | None:
    """Pass or fail by the dimension; not assessed when the piece is not on the tray; None without a tray."""
    tray = part.machine_options.get("tray")
    if not tray:
        return None
    nominal_mm = _option_mm(part, "gauge_nominal_mm", NOMINAL_MM)
    tolerance_mm = _option_mm(part, "gauge_tolerance_mm", TOLERANCE_MM)
    least_mm, greatest_mm = nominal_mm - tolerance_mm, nominal_mm + tolerance_mm
    reading = next((found for found in Gauge().newest(Path(tray)) if found.index == part.ordinal), None)
    if reading is None or _measured_for.setdefault((tray, reading.run), part.run_id) != part.run_id:
        why = f"piece {part.ordinal + 1} of this run is not on the tray of {part.machine}"
        return CheckResult(check=CHECK, result=Result.NOT_ASSESSED, reason=why, characteristic="width")
    good = least_mm <= reading.value_mm <= greatest_mm
    return CheckResult(
        check=CHECK,
        result=Result.PASS if good else Result.FAIL,
        reason="" if good else f"{reading.value_mm:.3f} mm is outside {least_mm:g} to {greatest_mm:g} mm",
        characteristic="width",
        value=reading.value_mm,
        least=least_mm,
        greatest=greatest_mm,
    )


def _option_mm(part: PartToCheck, name: str, default_mm: float) -> float:
    """A length from the machine's options. Raises ConfigurationError when it is not a number."""
    text = part.machine_options.get(name)
    try:
        return default_mm if text is None else float(text)
    except ValueError as error:
        raise ConfigurationError(f"the option {name} is {text!r}.", machine=part.machine, hint="Give mm.") from error
