"""`fleetctl machine jog`, `heat`, `override`, `offsets`, `probe`, `measurements`, `answer`: what a person does at one
machine."""

from __future__ import annotations

import asyncio
import math

import click
from rich.table import Table

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.jog_socket import hold
from fleetctl.cli.machine import name_argument
from fleetctl.cli.machine_setup import machine
from fleetctl.cli.output import moment, say, show_json, table
from fleetctl.cli.setup_options import pair
from fleetctl.errors import UsageError
from fleetctl.fleet.shapes import MachineShape, MeasurementShape, ProbeShape, WorkOffsetsShape

__all__ = ["machine"]
"""The group with these commands in it."""

values_argument = click.argument("values", nargs=-1, required=True, metavar="AXIS=VALUE...")


@machine.command("jog")
@name_argument
@values_argument
@click.option("--feed", type=float, default=10.0, show_default=True, metavar="MM/S", help="How fast, for a step.")
@click.option(
    "--hold", "seconds", type=float, metavar="S", help="Hold a key for S seconds; the values are mm/s then."
)
@with_daemon
async def jog_machine(client: Client, name: str, values: tuple[str, ...], feed: float, seconds: float | None) -> None:
    """Move by hand: one step in mm (X=10 Y=-5), or with --hold at mm/s until the time is over or Ctrl-C.

    The machine moves: look that nobody's hand is in it. It stops 200 ms after this command ends, however it ends.
    """
    axes = numbers(values)
    if seconds is None:
        await client.post(f"machines/{name}/jog-step", {"distance_mm": axes, "feed_mm_s": feed})
        say(f"{name} steps {' '.join(values)} at {feed:g} mm/s.")
        return
    try:
        await hold(client, name, axes, seconds)
    except asyncio.CancelledError:
        say(f"{name} was let go of.")
        raise
    say(f"{name} was let go of.")


@machine.command("heat")
@name_argument
@click.argument("values", nargs=-1, metavar="HEATER=DEGC...")
@click.option("--off", is_flag=True, help="All heaters off.")
@with_daemon
async def heat_machine(client: Client, name: str, values: tuple[str, ...], off: bool) -> None:
    """Heat by hand, outside a run: T0=200 B=60, 0 for off. It goes off by itself when no run comes."""
    targets = numbers(values)
    if off == bool(targets):
        raise UsageError("Give heaters with their temperatures, or --off.", hint="Write T0=200 B=60.")
    if off:
        shown = decode(await client.get(f"machines/{name}"), MachineShape)
        targets = dict.fromkeys(shown.temperatures_degc, 0.0)
    for heater, target in targets.items():
        await client.post(f"machines/{name}/heat", {"heater": heater, "target_degc": target})
    text = ", ".join(f"{heater} {target:g} degC" if target else f"{heater} off" for heater, target in targets.items())
    say(f"{name}: {text or 'it has no heater'}.")


@machine.command("override")
@name_argument
@click.argument("values", nargs=-1, required=True, metavar="WHAT=PERCENT...")
@with_daemon
async def override_machine(client: Client, name: str, values: tuple[str, ...]) -> None:
    """Run at a percentage of what the program says, also during a run: feed, rapid, spindle, flow."""
    for what, percent in numbers(values, upper=False).items():
        if what not in ("feed", "rapid", "spindle", "flow"):
            raise UsageError(f"There is no override {what!r}; there are feed, rapid, spindle and flow.")
        await client.post(f"machines/{name}/override", {"what": what, "percent": percent})
    say(f"{name}: {', '.join(values)} percent.")


@machine.command("offsets")
@name_argument
@click.argument("values", nargs=-1, metavar="[AXIS=MM...]")
@click.option("--frame", default="G54", show_default=True, help="Which work offset is set.")
@click.option(
    "--from-probe", "number", type=int, metavar="NUMBER", help="Set it from this measurement (machine measurements)."
)
@click.option(
    "--coordinate", type=float, metavar="MM", help="What the place that was probed gets: 0, or a plate's thickness."
)
@json_option
@with_daemon
async def offsets_machine(
    client: Client,
    name: str,
    values: tuple[str, ...],
    frame: str,
    number: int | None,
    coordinate: float | None,
    as_json: bool,
) -> None:
    """Show the work offsets, or set one: X=0 Y=0 gives the place where the tool is now these coordinates.

    With --from-probe the place that a measurement found gets --coordinate on the axis that was probed, wherever the
    tool is now.
    """
    path = f"machines/{name}/work-offsets"
    if number is not None:
        if values:
            raise UsageError(
                "A measurement sets the axis that was probed.", hint="Give --coordinate instead of AXIS=MM."
            )
        place_mm = 0.0 if coordinate is None else coordinate
        if not math.isfinite(place_mm):
            raise UsageError("--coordinate is a number, mm.")
        wanted: dict[str, object] = {"number": number, "frame": frame.upper(), "coordinate_mm": place_mm}
        answer = await client.post(f"{path}/from-probe", wanted)
    elif coordinate is not None:
        raise UsageError("--coordinate belongs to --from-probe.", hint="Else write AXIS=MM, as in Z=0.")
    elif values:
        wanted = {"frame": frame.upper(), "axes_mm": numbers(values)}
        answer = await client.ask("PUT", path, body=wanted)
    else:
        answer = await client.get(path)
    show_json(answer) if as_json else say(offset_table(decode(answer, WorkOffsetsShape)))


@machine.command("probe")
@name_argument
@click.option("--axis", type=click.Choice(["X", "Y", "Z"], case_sensitive=False), default="Z", show_default=True)
@click.option("--up", is_flag=True, help="Towards greater coordinates; else towards smaller ones.")
@click.option("--distance", type=float, required=True, metavar="MM", help="How far at most.")
@click.option("--feed", type=float, default=1.0, show_default=True, metavar="MM/S", help="How fast.")
@json_option
@with_daemon
async def probe_machine(
    client: Client, name: str, axis: str, up: bool, distance: float, feed: float, as_json: bool
) -> None:
    """Move until the probe makes contact, and print where. The machine moves; no offset is set by it.

    `fleetctl machine measurements` lists what probes found, `fleetctl machine offsets --from-probe` sets an offset.
    """
    direction = 1 if up else -1
    wanted = {"axis": axis.upper(), "direction": direction, "distance_mm": distance, "feed_mm_s": feed}
    answer = await client.post(f"machines/{name}/probe", wanted)
    if as_json:
        show_json(answer)
        return
    found = decode(answer, ProbeShape)
    say(f"Contact at {point(found.contact_mm)} (machine coordinates).")
    for frame, place in sorted(found.work_mm.items()):
        say(f"In {frame}: {point(place)}.")


@machine.command("measurements")
@name_argument
@json_option
@with_daemon
async def measurements_machine(client: Client, name: str, as_json: bool) -> None:
    """What the newest probes found, newest first, and which of it no longer sets an offset."""
    answer = await client.get(f"machines/{name}/probe")
    if as_json:
        show_json(answer)
        return
    found = decode(answer, list[MeasurementShape])
    say(measurement_table(found) if found else f"Nothing was probed on {name} lately.")


@machine.command("answer")
@name_argument
@click.argument("choice", required=False)
@with_daemon
async def answer_machine(client: Client, name: str, choice: str | None) -> None:
    """Answer what the firmware asks (filament change, M0), with one of its choices by name or number from 1.

    Without a choice it only says what is asked.
    """
    prompt = decode(await client.get(f"machines/{name}"), MachineShape).prompt
    if prompt is None:
        raise UsageError(f"{name} asks nothing.", hint="If its run waits, `fleetctl run resume` goes on.")
    choices = prompt.choices or ("Go on",)
    offered = ", ".join(f"{number} {text}" for number, text in enumerate(choices, 1))
    if choice is None:
        say(f"{name} asks: {prompt.text}. Answers: {offered}.")
        return
    await client.post(f"machines/{name}/prompt", {"choice": chosen(choice, choices), "asked": prompt.text})
    say(f"{name} was answered.")


def chosen(choice: str, choices: tuple[str, ...]) -> int:
    """Which of the choices, counted from 0: by its text, else by its number from 1. Raises UsageError."""
    texts = [text.lower() for text in choices]
    if choice.lower() in texts:
        return texts.index(choice.lower())
    if choice.isdecimal() and choice.isascii() and 1 <= int(choice) <= len(choices):
        return int(choice) - 1
    raise UsageError(f"{choice!r} is no answer here.", hint=f"There are: {', '.join(choices)}.")


def numbers(values: tuple[str, ...], *, upper: bool = True) -> dict[str, float]:
    """`X=10` texts as numbers by name. Raises UsageError."""
    found: dict[str, float] = {}
    for each in values:
        name, text = pair(each)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError(f"{each!r} has no number.", hint="Write it as X=10.")
        found[name.upper() if upper else name.lower()] = number
    return found


def point(axes_mm: dict[str, float]) -> str:
    """Coordinates as a person reads them."""
    return "  ".join(f"{axis} {mm:.3f}" for axis, mm in axes_mm.items())


def measurement_table(found: list[MeasurementShape]) -> Table:
    """One row for each measurement; the axis that was probed, in machine coordinates and in each work offset."""
    made = table("number", "at", "by", "probed", "machine", "work", "counts", right=("number",))
    for each in found:
        work = "  ".join(f"{frame} {mm:.3f}" for frame, mm in sorted(each.work_mm.items()))
        probed = f"{each.axis}{'+' if each.direction > 0 else '-'}"
        contact = f"{each.contact_mm[each.axis]:.3f}" if each.axis in each.contact_mm else ""
        counts = f"no: {each.stale}" if each.stale else "yes"
        made.add_row(str(each.number), moment(each.at_s), each.by, probed, contact, work, counts)
    return made


def offset_table(offsets: WorkOffsetsShape) -> Table:
    """One row for each frame; what stands on record otherwise is said."""
    made = table("offset", "X", "Y", "Z", "on record")
    for frame, place in sorted(offsets.offsets_mm.items()):
        on_record = offsets.on_record_mm.get(frame)
        word = "" if on_record is None else "the same"
        if frame in offsets.differ and on_record is not None:
            word = " ".join(f"{mm:.3f}" for mm in on_record)
        made.add_row(frame, *(f"{mm:.3f}" for mm in place), word)
    return made
