"""The options that say what is on a machine: the same words for `machine add`, `machine setup` and `preflight`.

It must not ask the daemon for anything; whether a machine can be set up so is the daemon's to say.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
import msgspec

from fleetctl.errors import UsageError
from fleetctl.model.profile import Setup

Change = Callable[[Setup], Setup]
"""What was said on the command line, applied to a set-up; what was not said stays."""

_OPTIONS = (
    click.option("--material", metavar="M", help="What is loaded."),
    click.option("--nozzle", type=float, metavar="MM", help="Diameter of the nozzle."),
    click.option("--filament", type=float, metavar="MM", help="Diameter of the filament."),
    click.option("--tool", "tools", multiple=True, metavar="T", help="A tool, such as T3; all tools are given anew."),
    click.option(
        "--offset", multiple=True, metavar="G54=X,Y,Z", help="A work offset (or G28, G30) in machine coordinates, mm."
    ),
    click.option("--tool-length", "lengths", multiple=True, metavar="N=MM", help="What G43 H N adds to Z, mm."),
    click.option("--stock-top", multiple=True, metavar="G54=Z", help="Top of the stock in that work offset, mm."),
    click.option("--laser-mode", type=click.Choice(["on", "off"]), help="The controller's $32."),
    click.option("--full-speed", type=float, metavar="S", help="The controller's $30: the S of full speed or power."),
)


def setup_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; it gets them as `change`."""

    @functools.wraps(command)
    def taken(*args: Any, **words: Any) -> Any:
        mine = {name: words.pop(name) for name in _NAMES}
        return command(*args, change=said(mine), **words)

    wrapped: Callable[..., Any] = taken
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


_NAMES = ("material", "nozzle", "filament", "tools", "offset", "lengths", "stock_top", "laser_mode", "full_speed")


def said(words: dict[str, Any]) -> Change:
    """The change that the words ask for. Raises UsageError for a text that is not of its form, at once."""
    offsets_mm, tops_mm = read_offsets(words["offset"]), read_heights(words["stock_top"])
    lengths_mm = read_lengths(words["lengths"])
    plain: dict[str, Any] = {
        "material": words["material"],
        "nozzle_mm": words["nozzle"],
        "filament_diameter_mm": words["filament"],
        "tools": words["tools"] or None,
        "laser_mode": None if words["laser_mode"] is None else words["laser_mode"] == "on",
        "spindle_max_rpm": words["full_speed"],
    }
    given = {name: value for name, value in plain.items() if value is not None}

    def change(before: Setup) -> Setup:
        return msgspec.structs.replace(
            before,
            offsets_mm=before.offsets_mm | offsets_mm,
            tool_lengths_mm=before.tool_lengths_mm | lengths_mm,
            stock_top_mm=before.stock_top_mm | tops_mm,
            **given,
        )

    return change


def read_offsets(given: tuple[str, ...]) -> dict[str, tuple[float, float, float]]:
    """`G54=X,Y,Z` texts as a dict. Raises UsageError for one that is not of that form."""
    found: dict[str, tuple[float, float, float]] = {}
    for each in given:
        name, place = pair(each)
        try:
            x, y, z = (float(number) for number in place.split(","))
        except ValueError:
            raise UsageError(f"{each!r} is not a work offset.", hint="Write it as G54=X,Y,Z in mm.") from None
        found[name.upper()] = (x, y, z)
    return found


def read_heights(given: tuple[str, ...]) -> dict[str, float]:
    """`G54=Z` texts as a dict. Raises UsageError for one that is not of that form."""
    found: dict[str, float] = {}
    for each in given:
        name, height = pair(each)
        try:
            found[name.upper()] = float(height)
        except ValueError:
            raise UsageError(f"{each!r} is not a height.", hint="Write it as G54=Z in mm.") from None
    return found


def read_lengths(given: tuple[str, ...]) -> dict[int, float]:
    """`3=52.5` texts (number in the tool table, length in mm) as a dict. Raises UsageError for another form."""
    found: dict[int, float] = {}
    for each in given:
        number, length = pair(each)
        try:
            found[int(number)] = float(length)
        except ValueError:
            raise UsageError(f"{each!r} is no tool length.", hint="Write it as NUMBER=MM, e.g. 3=52.5.") from None
    return found


def pair(text: str) -> tuple[str, str]:
    """`NAME=VALUE` as two texts. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} has no value.", hint="Write it as NAME=VALUE.")
    return name, value
