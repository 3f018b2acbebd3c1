"""`fleetctl preflight`: what a program is, and whether it fits a machine, before anything is sent."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option
from fleetctl.cli.machine import read_offsets
from fleetctl.cli.output import AMBER, RED, facts, say, show_error, show_json, size, span, table
from fleetctl.cli.where import find
from fleetctl.errors import FleetctlError, NotFound, UsageError
from fleetctl.fleet.shapes import MachineShape
from fleetctl.gcode import Analysis, Finding, analyze
from fleetctl.gcode.limits import DEFAULT_LIMITS, MotionLimits
from fleetctl.model.profile import PROFILES, Process, Profile, Setup
from fleetctl.preflight.gate import check

SEVERITY_STYLE = {"error": RED, "warning": AMBER, "info": ""}


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--machine", metavar="NAME", help="Against this machine as it is set up now; asks the daemon.")
@click.option("--profile", metavar="P", help="Against a model of machine, such as generic-220; needs no daemon.")
@click.option("--offset", multiple=True, metavar="G54=X,Y,Z", help="With --profile: a work offset, mm.")
@click.option("--plate", type=click.IntRange(min=1), metavar="N", help="Which plate of a .gcode.3mf.")
@click.option("--url", metavar="URL", help="The daemon, for --machine.")
@click.option("--data", metavar="DIR", type=click.Path(path_type=Path), help="The daemon's data directory.")
@json_option
def preflight(
    files: tuple[Path, ...],
    machine: str | None,
    profile: str | None,
    offset: tuple[str, ...],
    plate: int | None,
    url: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Show the facts of programs and what is wrong with them; fails when any of them would be refused."""
    if machine and profile:
        raise click.UsageError("Give either --machine or --profile.")
    if offset and not profile:
        raise click.UsageError("--offset goes with --profile; a machine has its own.")
    target = _ask_machine(machine, url, data) if machine else _known_profile(profile, offset)
    failed = False
    reports: list[dict[str, object]] = []
    for path in files:
        try:
            analysis, findings = _judge(path, target, plate)
        except FleetctlError as error:
            if as_json:
                refused = {"code": error.code, "message": str(error)}
                reports.append({"file": str(path), "passed": False, "error": refused})
            else:
                say(Text(str(path), style="bold"))
                show_error(error)
            failed = True
            continue
        passed = all(finding.severity != "error" for finding in findings)
        failed = failed or not passed
        if as_json:
            reports.append({"file": str(path), "passed": passed, "findings": findings, "analysis": analysis})
        else:
            say(_report(path, analysis, findings, passed, target))
    if as_json:
        show_json(reports)
    return 1 if failed else 0


Target = tuple[str, Profile, Setup]
"""What a program is compared with: its name for people, the profile and the set-up."""


def _judge(path: Path, target: Target | None, plate: int | None) -> tuple[Analysis, tuple[Finding, ...]]:
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    if target is None:
        analysis = analyze(path, plate=plate)
        return analysis, analysis.findings
    _, profile, setup = target
    analysis = analyze(path, machine=limits_of(profile), plate=plate)
    return analysis, check(analysis, profile, setup).findings


def limits_of(profile: Profile) -> MotionLimits | None:
    """The profile's speeds and accelerations for the planner; None where the profile does not know them all."""
    if profile.max_feed_mm_s is None or profile.max_accel_mm_s2 is None:
        return None
    usual = DEFAULT_LIMITS["additive" if profile.process is Process.ADDITIVE else "cnc"]
    return msgspec.structs.replace(
        usual,
        max_feed_mm_s=(*profile.max_feed_mm_s, usual.max_feed_mm_s[3]),
        max_accel_mm_s2=(*profile.max_accel_mm_s2, usual.max_accel_mm_s2[3]),
    )


def _known_profile(name: str | None, offsets: tuple[str, ...]) -> Target | None:
    if name is None:
        return None
    if name not in PROFILES:
        raise UsageError(f"There is no profile {name!r}.", hint=f"There are: {', '.join(sorted(PROFILES))}.")
    return name, PROFILES[name], Setup(offsets_mm=read_offsets(offsets))


def _ask_machine(name: str, url: str | None, data: Path | None) -> Target:
    async def ask() -> MachineShape:
        async with Client(find(url, data)) as client:
            return decode(await client.get(f"machines/{name}"), MachineShape)

    shape = asyncio.run(ask())
    return name, shape.profile, shape.setup


def _report(
    path: Path, analysis: Analysis, findings: tuple[Finding, ...], passed: bool, target: Target | None
) -> Group:
    parts: list[Text | Table] = [Text(str(path), style="bold"), _facts(analysis)]
    if findings:
        parts += [Text(), _findings(findings)]
    if target is not None:
        verdict = f"Fits {target[0]}." if passed else f"Does not fit {target[0]}."
    else:
        verdict = "No error found." if passed else "Would be refused."
    return Group(*parts, Text(), Text(verdict, style="" if passed else RED), Text())


def _facts(analysis: Analysis) -> Table:
    grams = sum(analysis.filament_g.values())
    metres = sum(analysis.filament_mm.values()) / 1000
    heaters = ", ".join(f"{name} {use.max_degc:g} °C" for name, use in sorted(analysis.temperatures.items()))
    return facts(
        (
            ("size", f"{size(analysis.size_bytes)}, {analysis.lines} lines, {analysis.commands} commands"),
            ("sha-256", analysis.sha256),
            ("taken from", _container(analysis)),
            ("dialect", analysis.dialect + (" (detected)" if analysis.dialect_detected else "")),
            ("made by", analysis.slicer),
            ("motion", _box(analysis.bounds_mm)),
            ("work", _box(analysis.work_bounds_mm)),
            ("time", f"{span(analysis.duration_s)} (limits of the {analysis.limits_from})"),
            ("layers", str(analysis.layers) if analysis.layers else ""),
            ("filament", f"{metres:.2f} m" + (f", {grams:.1f} g" if grams else "") if metres else ""),
            ("heat", heaters),
            ("spindle", "" if analysis.spindle_rpm_max is None else f"up to {analysis.spindle_rpm_max:g} rpm"),
            ("fastest", f"{analysis.max_feed_mm_s:.4g} mm/s" if analysis.max_feed_mm_s else ""),
            ("ends with", analysis.ending.marker or "nothing that says so"),
        )
    )


def _container(analysis: Analysis) -> str:
    container = analysis.container
    if container is None:
        return ""
    plates = ", ".join(map(str, container.plates))
    plate = f", plate {container.plate} (of {plates})" if container.plate is not None else ""
    return f"{container.kind}, {size(container.size_bytes)}{plate}, sha-256 {container.sha256[:12]}"


def _box(bounds: tuple[tuple[float, float, float], tuple[float, float, float]]) -> str:
    axes = zip("XYZ", *bounds, strict=True)
    return "  ".join(f"{axis} {low:.2f}..{high:.2f}" for axis, low, high in axes if not math.isnan(low))


def _findings(findings: tuple[Finding, ...]) -> Table:
    made = table("", "line", "code", "finding", right=("line",))
    for each in findings:
        text = Text(each.message)
        if each.hint:
            text.append(f" {each.hint}", style="dim")
        line = str(each.line) if each.line else ""
        made.add_row(Text(each.severity, style=SEVERITY_STYLE[each.severity]), line, each.code, text)
    return made
