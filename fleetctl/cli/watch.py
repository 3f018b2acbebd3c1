"""`fleetctl watch`: the room as it changes, with a bar for every run and every job.

The event stream says when to look again; what is shown is the floor as the daemon gives it. It computes no states.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import click
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.machine_view import need_of
from fleetctl.cli.output import QUIET, RED, console, moment, sentence, show_json, style_of, table
from fleetctl.fleet.shapes import FloorShape, JobShape, MachineShape
from fleetctl.scheduling.reason import Need

BAR_WIDTH = 24
LOOK_AGAIN_S = 1.0
"""Progress is no event: without one the floor is asked for this often."""


@click.command()
@click.option("--once", is_flag=True, help="Show the room once and leave.")
@click.option("--until-done", is_flag=True, help="Leave when every job is done.")
@json_option
@with_daemon
async def watch(client: Client, once: bool, until_done: bool, as_json: bool) -> None:
    """Watch the room live; leave with Ctrl-C. With --json, one floor per line of output when not --once."""
    answer = await client.get("floor")
    if once:
        show_json(answer) if as_json else console().print(floor_view(decode(answer, FloorShape)))
        return
    if as_json:
        async for event in client.events(decode(answer, FloorShape).sequence):
            show_json(event)
        return
    with Live(floor_view(decode(answer, FloorShape)), console=console(), auto_refresh=False) as live:
        async for floor in floors(client):
            live.update(floor_view(floor), refresh=True)
            if until_done and not any(unfinished(job) for job in floor.jobs):
                return


def unfinished(job: JobShape) -> bool:
    """Whether parts of the job are still wanted."""
    return job.state not in ("done", "cancelled")


async def floors(client: Client) -> AsyncIterator[FloorShape]:
    """The floor again after every event, and at least once in `LOOK_AGAIN_S`."""
    floor = decode(await client.get("floor"), FloorShape)
    yield floor
    happened = asyncio.Event()

    async def listen(after: int) -> None:
        async for _ in client.events(after):
            happened.set()

    listener = asyncio.create_task(listen(floor.sequence))
    try:
        while not listener.done():
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await happened.wait()
            except TimeoutError:
                pass
            happened.clear()
            yield decode(await client.get("floor"), FloorShape)
        listener.result()
    finally:
        listener.cancel()


def floor_view(floor: FloorShape) -> Group:
    """Stop, what needs somebody, machines, jobs."""
    head: list[Text] = []
    if floor.stop.stopped:
        head.append(Text("Everything is stopped. Release with `fleetctl estop --release`.", style=RED))
    lost = [name for name, alive in sorted(floor.agents.items()) if not alive]
    head += [Text(f"The agent {name} does not answer.", style=RED) for name in lost]
    head += [sentence(item.reason) for item in floor.todo if item.reason.need < Need.WHEN_CONVENIENT]
    if not head:
        head.append(Text("Nothing needs you.", style=QUIET))
    return Group(*head, Text(), _machines(floor.machines), Text(), _jobs(floor.jobs))


def _machines(machines: tuple[MachineShape, ...]) -> Table:
    made = table("machine", "state", "run", "", "done", "ready", "", right=("done",))
    for each in machines:
        run = each.run
        made.add_row(
            each.name,
            Text(each.word, style=style_of(need_of(each))),
            f"{run.code} of {run.job}" if run else "",
            ProgressBar(total=1.0, completed=run.progress.fraction, width=BAR_WIDTH) if run else "",
            f"{run.progress.fraction:.0%}" if run else "",
            moment(run.progress.end_s) if run else "",
            _temperatures(each),
        )
    return made


def _temperatures(machine: MachineShape) -> Text:
    parts = [f"{name} {now:.0f}/{target:.0f}" for name, (now, target) in machine.temperatures_degc.items()]
    if machine.spindle_rpm:
        parts.append(f"spindle {machine.spindle_rpm:.0f}")
    return Text("  ".join(parts), style=QUIET)


def _jobs(jobs: tuple[JobShape, ...]) -> Table:
    made = table("job", "part", "", "good", "running", "scrap", "state", "", right=("good", "running", "scrap"))
    for each in jobs:
        made.add_row(
            each.code,
            each.title or each.program,
            ProgressBar(total=each.quantity, completed=each.good, width=BAR_WIDTH),
            f"{each.good} of {each.quantity}",
            str(each.running or ""),
            str(each.scrap or ""),
            each.state,
            sentence(each.why),
        )
    return made
