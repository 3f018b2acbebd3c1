"""`fleetctl preflight`: what a program is, and whether it fits a machine, before anything is sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

import fleetctl
from fleetctl import __version__
from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option
from fleetctl.cli.output import error_console, say, show_error, show_json
from fleetctl.cli.preflight_report import Judged, report, summary
from fleetctl.cli.setup_options import Change, setup_options
from fleetctl.cli.where import find
from fleetctl.errors import FleetctlError, NotFound, UsageError
from fleetctl.fleet import texts
from fleetctl.fleet.shapes import MachineShape
from fleetctl.gcode import analyze
from fleetctl.gcode.excerpt import lines_at, utf16_column
from fleetctl.gcode.limits import DEFAULT_LIMITS, MotionLimits
from fleetctl.model.profile import PROFILES, Process, Profile, Setup
from fleetctl.preflight.gate import check
from fleetctl.preflight.sarif import Checked, sarif

SLOW_BYTES = 20_000_000
"""A file of this size takes a person's notice: from here on there is a bar."""


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--machine", metavar="NAME", help="Against this machine as it is set up now; asks the daemon.")
@click.option("--profile", metavar="P", help="Against a model of machine, such as generic-220; needs no daemon.")
@setup_options
@click.option("--plate", type=click.IntRange(min=1), metavar="N", help="Which plate of a .gcode.3mf.")
@click.option("--url", metavar="URL", help="The daemon, for --machine.")
@click.option("--data", metavar="DIR", type=click.Path(path_type=Path), help="The daemon's data directory.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print the findings as SARIF 2.1.0, for editors.")
@json_option
def preflight(
    files: tuple[Path, ...],
    machine: str | None,
    profile: str | None,
    change: Change,
    plate: int | None,
    url: str | None,
    data: Path | None,
    as_sarif: bool,
    as_json: bool,
) -> int:
    """Show the facts of programs and what is wrong with them; fails when any of them would be refused.

    With --profile, the options from --material to --full-speed say what is on the machine; with --machine the daemon
    knows.
    """
    setup = texts.setup(change(Setup()))
    if machine and profile:
        raise click.UsageError("Give either --machine or --profile.")
    if as_json and as_sarif:
        raise click.UsageError("Give either --json or --sarif.")
    if setup != Setup() and not profile:
        raise click.UsageError("What is on the machine goes with --profile; a machine has its own set-up.")
    target = _ask_machine(machine, url, data) if machine else _known_profile(profile, setup)
    found: list[Judged] = []
    errors: dict[Path, FleetctlError] = {}
    for path in files:
        try:
            judged = _judge(path, target, plate)
        except FleetctlError as error:
            errors[path] = error
            judged = Judged(path, target[0] if target else "", refused=str(error))
        found.append(judged)
        if not as_json and not as_sarif:
            _show(judged, errors.get(path))
    if as_json:
        show_json([_plain(judged, errors.get(judged.path)) for judged in found])
    elif as_sarif:
        show_json(sarif([_checked(judged) for judged in found], __version__, _docs_uri()))
    elif len(found) > 1:
        say("")
        say(summary(found))
    return 0 if all(judged.passed for judged in found) else 1


Target = tuple[str, Profile, Setup]
"""What a program is compared with: its name for people, the profile and the set-up."""


def _judge(path: Path, target: Target | None, plate: int | None) -> Judged:
    if path.is_dir():
        raise UsageError(f"{path} is a directory.", hint=f"Name the files in it, such as {path / '*.gcode'}.")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no plain file.", hint="Save what comes out of it to a file first.")
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", hint="Check the path; it counts from the present directory.")
    limits = None if target is None else limits_of(target[1])
    with _bar(path) as progress:
        try:
            analysis = analyze(path, machine=limits, plate=plate, progress=progress)
        except OSError as error:
            why = error.strerror or error
            raise UsageError(f"{path} cannot be read: {why}.", hint="Check its rights and its disk.") from error
    if target is None:
        return Judged(path, "", analysis, analysis.findings)
    name, profile, setup = target
    return Judged(path, name, analysis, check(analysis, profile, setup).findings)


@contextmanager
def _bar(path: Path) -> Iterator[Callable[[int], None] | None]:
    """A bar on the terminal while a big file is read; nothing for a small one, or where nobody looks."""
    screen, size_bytes = error_console(), path.stat().st_size
    if size_bytes < SLOW_BYTES or not screen.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn())
    with Progress(*columns, console=screen, transient=True) as bars:
        task = bars.add_task(f"Reading {path.name}", total=size_bytes)
        yield lambda read_bytes: bars.advance(task, read_bytes)


def _show(judged: Judged, error: FleetctlError | None) -> None:
    wanted = {finding.line for finding in judged.findings if finding.severity != "info"}
    say(report(judged, _lines(judged, wanted)))
    if error is not None:
        show_error(error)


def _lines(judged: Judged, wanted: set[int]) -> dict[int, bytes]:
    """Lines of the program as it was read: of a container, the program inside."""
    if judged.analysis is None:
        return {}
    container = judged.analysis.container
    return lines_at(judged.path, wanted, container.plate if container else None)


def _plain(judged: Judged, error: FleetctlError | None) -> dict[str, object]:
    shown: dict[str, object] = {"file": str(judged.path), "passed": judged.passed}
    if error is not None:
        return shown | {"error": {"code": error.code, "message": str(error)}}
    return shown | {"findings": judged.findings, "analysis": judged.analysis}


def _checked(judged: Judged) -> Checked:
    """The path as an editor opened at the present directory knows it."""
    path = Path(os.path.relpath(judged.path)).as_posix()
    if judged.analysis is None:
        return Checked(path, refused=judged.refused)
    lines = _lines(judged, {finding.line for finding in judged.findings if finding.column > 1})
    findings = (
        msgspec.structs.replace(finding, column=utf16_column(lines.get(finding.line, b""), finding.column))
        for finding in judged.findings
    )
    return Checked(path, tuple(findings), sha256=judged.analysis.sha256)


def _docs_uri() -> str:
    """Where the documentation is in a checkout; an installed fleetctl has none beside it."""
    docs = Path(fleetctl.__file__).resolve().parents[1] / "docs"
    return f"{docs.as_uri()}/" if docs.is_dir() else ""


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


def _known_profile(name: str | None, setup: Setup) -> Target | None:
    if name is None:
        return None
    if name not in PROFILES:
        raise UsageError(f"There is no profile {name!r}.", hint=f"There are: {', '.join(sorted(PROFILES))}.")
    return name, PROFILES[name], setup


def _ask_machine(name: str, url: str | None, data: Path | None) -> Target:
    async def ask() -> MachineShape:
        async with Client(find(url, data)) as client:
            return decode(await client.get(f"machines/{name}"), MachineShape)

    shape = asyncio.run(ask())
    return name, shape.profile, shape.setup
