"""`fleetctl submit`: programs in, jobs out."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import error_console, say, show_json
from fleetctl.clock import SystemClock
from fleetctl.errors import NotGcode, UsageError
from fleetctl.fleet.shapes import JobShape, ProgramShape, Submission

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
END_OF_DAY_HOUR = 17


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--quantity", required=True, type=click.IntRange(min=1), metavar="N", help="How many good parts.")
@click.option("--title", default="", help="What it is called; else the name of the file.")
@click.option("--material", default="", metavar="M", help="Only machines with this loaded.")
@click.option("--machine", metavar="NAME", help="Only this machine.")
@click.option("--group", default="", metavar="G", help="Only machines of this group.")
@click.option("--due", metavar="T", help="When it is wanted: 2026-12-24, 2026-12-24T16:00, fri, +3d, +8h.")
@click.option("--priority", type=int, default=0, metavar="P", help="Higher goes first; 0 is usual.")
@click.option("--yield", "yield_parts", type=click.IntRange(min=1), default=1, metavar="K", help="Parts a run makes.")
@click.option("--plate", type=click.IntRange(min=1), metavar="N", help="Which plate of a .gcode.3mf.")
@click.option("--hold", is_flag=True, help="Start nothing of it until it is released.")
@json_option
@with_daemon
async def submit(
    client: Client,
    files: tuple[Path, ...],
    quantity: int,
    title: str,
    material: str,
    machine: str | None,
    group: str,
    due: str | None,
    priority: int,
    yield_parts: int,
    plate: int | None,
    hold: bool,
    as_json: bool,
) -> None:
    """Send programs and ask for QUANTITY good parts of each."""
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise UsageError(f"There is no file {', '.join(missing)}.")
    due_s = None if due is None else read_due(due, SystemClock().wall().astimezone())
    programs = await _send(client, files, plate)
    jobs: list[JobShape] = []
    for path, program in zip(files, programs, strict=True):
        wanted = Submission(
            program_sha256=program.sha256,
            quantity=quantity,
            title=title or _stem(path),
            yield_parts=yield_parts,
            material=material,
            machine=machine,
            group=group,
            priority=priority,
            due_s=due_s,
            hold=hold,
        )
        jobs.append(decode(await client.post("jobs", wanted), JobShape))
    if as_json:
        show_json(jobs)
        return
    for job in jobs:
        wait = f" {job.why.sentence}" if job.why else ""
        say(f"{job.code}: {job.quantity} good of {job.title or job.program}.{wait}")


def _stem(path: Path) -> str:
    """The name without what says its format, of which a container has two (`part.gcode.gz`)."""
    return path.stem.removesuffix(".gcode") or path.name


async def _send(client: Client, files: tuple[Path, ...], plate: int | None) -> list[ProgramShape]:
    """Upload every file, with a bar each on the error stream."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    screen = error_console()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        programs = []
        for path in files:
            task = progress.add_task(path.name, total=path.stat().st_size)
            try:
                advance = partial(progress.advance, task)
                programs.append(await client.upload(path, advance, plate=plate))
            except NotGcode as error:
                raise NotGcode(f"{path.name}: {error.where}{error.message}", hint=error.hint) from error
        return programs


def read_due(text: str, now: datetime) -> float:
    """A time as people write it, as Unix seconds. A date alone means the end of that working day.

    `now` is an aware local time. Raises UsageError for anything else.
    """
    wanted = text.strip().lower()
    try:
        if wanted.startswith("+"):
            hours = {"h": 1, "d": 24, "w": 168}[wanted[-1]] * float(wanted[1:-1])
            return (now + timedelta(hours=hours)).timestamp()
        if wanted[:3] in WEEKDAYS and (wanted in WEEKDAYS or wanted.endswith("day")):
            days = (WEEKDAYS.index(wanted[:3]) - now.weekday()) % 7
            return _end_of_day(now + timedelta(days=days)).timestamp()
        moment = datetime.fromisoformat(text.strip())
        if len(wanted) == len("2026-12-24"):
            moment = _end_of_day(moment)
        return (moment if moment.tzinfo else moment.astimezone()).timestamp()
    except (KeyError, ValueError):
        raise UsageError(
            f"{text!r} is not a time.", hint="Write 2026-12-24, 2026-12-24T16:00, fri, +3d or +8h."
        ) from None


def _end_of_day(day: datetime) -> datetime:
    return day.replace(hour=END_OF_DAY_HOUR, minute=0, second=0, microsecond=0)
