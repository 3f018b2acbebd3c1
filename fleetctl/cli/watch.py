"""`fleetctl watch`: the room as it changes, with a bar for every run and every job.

The event stream says when to look again; what is shown are the states that the daemon gives. It computes none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

import click
import msgspec
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fleetctl.api.reading import heater
from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.job import job_table
from fleetctl.cli.machine_view import machine_table, need_of
from fleetctl.cli.output import QUIET, RED, bar, console, moment, sentence, show_json, style_of, table
from fleetctl.fleet.shapes import JobShape, MachineShape, StopShape
from fleetctl.model.job import JobState
from fleetctl.scheduling.reason import Need

LOOK_AGAIN_S = 1.0
"""Progress is no event: without one the daemon is asked this often."""

ENDED = frozenset({JobState.DONE, JobState.CANCELLED})


@dataclass(frozen=True)
class Room:
    """What `watch` shows: the stop, the machines and the jobs, asked for at one moment."""

    stop: StopShape
    machines: list[MachineShape]
    jobs: list[JobShape]

    @property
    def finished(self) -> bool:
        """Whether no part of any job is wanted any more."""
        return all(job.state in ENDED for job in self.jobs)


@click.command()
@click.option("--once", is_flag=True, help="Show the room once and leave.")
@click.option("--until-done", is_flag=True, help="Leave when every job is done.")
@json_option
@with_daemon
async def watch(client: Client, once: bool, until_done: bool, as_json: bool) -> None:
    """Watch the room live; leave with Ctrl-C. With --json, every event as one line."""
    if as_json and not once:
        await _print_events(client, until_done)
        return
    room = await look(client)
    if once:
        show_json(asdict(room)) if as_json else console().print(room_view(room))
        return
    with Live(room_view(room), console=console(), auto_refresh=False) as live:
        async for room in rooms(client):
            live.update(room_view(room), refresh=True)
            if until_done and room.finished:
                return


async def look(client: Client) -> Room:
    """The room now."""
    return Room(
        decode(await client.get("estop"), StopShape),
        decode(await client.get("machines"), list[MachineShape]),
        decode(await client.get("jobs"), list[JobShape]),
    )


async def rooms(client: Client) -> AsyncIterator[Room]:
    """The room again after every event, and at least once in `LOOK_AGAIN_S`."""
    happened = asyncio.Event()

    async def listen() -> None:
        async for _ in client.events():
            happened.set()

    listener = asyncio.create_task(listen())
    try:
        while not listener.done():
            yield await look(client)
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await happened.wait()
            except TimeoutError:
                pass
            happened.clear()
        listener.result()
    finally:
        listener.cancel()


async def _print_events(client: Client, until_done: bool) -> None:
    async for event in client.events():
        sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
        sys.stdout.flush()
        if until_done and event.kind == "job.done" and (await look(client)).finished:
            return


def room_view(room: Room) -> Group:
    """Stop, what needs somebody, machines, jobs."""
    head: list[Text] = []
    if room.stop.stopped:
        head.append(Text("Everything is stopped. Release with `fleetctl estop --release`.", style=RED))
    waiting = sorted((each for each in room.machines if need_of(each) < Need.WHEN_CONVENIENT), key=need_of)
    head += [sentence(each.why) for each in waiting]
    if not head:
        head.append(Text("Nothing needs you.", style=QUIET))
    machines = _machines(room.machines) if room.machines else machine_table([])
    jobs = _jobs(room.jobs) if room.jobs else job_table([])
    return Group(*head, Text(), machines, Text(), jobs)


def _machines(machines: list[MachineShape]) -> Table:
    made = table("machine", "state", "run", "", "done", "ready", "", right=("done",))
    for each in machines:
        run = each.run
        made.add_row(
            each.name,
            Text(each.word, style=style_of(need_of(each))),
            f"{run.code} of {run.job}" if run else "",
            bar(1.0, run.progress.fraction) if run else "",
            f"{run.progress.fraction:.0%}" if run else "",
            moment(run.progress.end_s) if run else "",
            _temperatures(each),
        )
    return made


def _temperatures(machine: MachineShape) -> Text:
    parts = [f"{heater(name)} {now:.0f}/{target:.0f}" for name, (now, target) in machine.temperatures_degc.items()]
    if machine.spindle_rpm:
        parts.append(f"spindle {machine.spindle_rpm:.0f}")
    return Text("  ".join(parts), style=QUIET)


def _jobs(jobs: list[JobShape]) -> Table:
    made = table("job", "part", "", "good", "running", "scrap", "state", "", right=("good", "running", "scrap"))
    for each in (job for job in jobs if job.state != JobState.CANCELLED):
        made.add_row(
            each.code,
            each.title or each.program,
            bar(each.quantity, each.good),
            f"{each.good} of {each.quantity}",
            str(each.running or ""),
            str(each.scrap or ""),
            each.state,
            sentence(each.why),
        )
    return made
