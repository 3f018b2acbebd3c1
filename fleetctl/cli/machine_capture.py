"""`fleetctl machine capture`: records the link of a machine to a file, for a report or a test."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.machine import name_argument
from fleetctl.cli.machine_operate import machine
from fleetctl.cli.output import error_console, say, show_json
from fleetctl.errors import MachineError, UsageError
from fleetctl.model.messages import CaptureState

__all__ = ["machine"]
"""The group with this command in it."""

LOOK_EVERY_S = 0.5


@machine.command("capture")
@name_argument
@click.option("--seconds", type=click.FloatRange(1.0, 3600.0), default=60.0, show_default=True, help="How long.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write it [NAME.capture.jsonl].",
)
@click.option(
    "--reconnect", is_flag=True, help="Open the link anew first: only such a capture can be replayed as a test."
)
@json_option
@with_daemon
async def capture_machine(
    client: Client, name: str, seconds: float, out: Path | None, reconnect: bool, as_json: bool
) -> None:
    """Record everything that goes over a machine's link, without disturbing it, and save it. Ctrl-C ends it early.

    Passwords and keys in it are blanked; it shows what the machine makes. A reconnect resets many boards.
    """
    out = out or Path(f"{name}.capture.jsonl")
    if not out.parent.is_dir():
        raise UsageError(f"There is no folder {out.parent}.")
    await client.post(f"machines/{name}/capture", {"seconds": seconds, "reconnect": reconnect})
    try:
        error_console().print(f"Recording the link of {name} for {seconds:g} s. Ctrl-C ends it early.", markup=False)
        await _until_done(client, name)
    except asyncio.CancelledError:
        # Only the wait was interrupted: what was recorded so far is still wanted.
        await client.post(f"machines/{name}/capture/end")
        await _until_done(client, name)
    state = await client.get(f"machines/{name}/capture")
    if not decode(state, CaptureState).size_bytes:
        raise MachineError(f"Nothing was recorded; the capture ended: {decode(state, CaptureState).ended}.")
    data = await client.get(f"machines/{name}/capture/file")
    await asyncio.to_thread(_write, out, data)
    if as_json:
        show_json(state)
        return
    ended = decode(state, CaptureState).ended
    say(f"{len(data) / 1000:.0f} kB are in {out}; the capture ended: {ended}.")
    say("Look through it before you give it away: it shows what the machine made.")


async def _until_done(client: Client, name: str) -> None:
    while not decode(await client.get(f"machines/{name}/capture"), CaptureState).ended:  # noqa: ASYNC110 - asked afar
        await asyncio.sleep(LOOK_EVERY_S)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)  # noqa: PTH105 - one file takes the place of another
