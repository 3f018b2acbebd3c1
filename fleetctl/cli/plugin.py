"""`fleetctl plugin`: what is installed beside fleetctl, whether it loads, and the machine types it brings."""

from __future__ import annotations

import click
import msgspec
from rich.text import Text

from fleetctl.cli.command import json_option
from fleetctl.cli.output import RED, say, show_json, table
from fleetctl.driver.api import DriverType
from fleetctl.plugin.manager import PluginManager, PluginReport


class PluginShape(msgspec.Struct, frozen=True, kw_only=True):
    """One plug-in with the names of its machine types; `error` is empty when it works."""

    name: str
    distribution: str
    version: str
    drivers: tuple[str, ...]
    profiles: tuple[str, ...]
    tested_on: tuple[str, ...]
    error: str


@click.group()
def plugin() -> None:
    """Plug-ins: machine types, checks and the like."""


@plugin.command("list")
@json_option
def list_plugins(as_json: bool) -> int:
    """List plug-ins of this computer with the machine types they bring; fails when one does not load."""
    manager = PluginManager()
    manager.load()
    drivers = manager.drivers()
    broken = {report.name for report in manager.reports() if report.error}
    hooks = manager.implementations("fleetctl_drivers")
    bringing = {name: hook() for name, hook in hooks if name not in broken}
    plugins = [_shape(report, bringing.get(report.name, []), drivers) for report in manager.reports()]
    if as_json:
        show_json(plugins)
    elif not plugins:
        say("No plug-in is installed; `pip install fleetctl` brings marlin and grbl.")
    else:
        made = table("plug-in", "from", "machine types", "profiles", "tried on", "")
        for each in plugins:
            tried = ", ".join(each.tested_on) or ("no hardware yet" if each.drivers else "")
            package = f"{each.distribution} {each.version}".strip()
            state = Text(each.error, style=RED)
            made.add_row(each.name, package, ", ".join(each.drivers), ", ".join(each.profiles), tried, state)
        say(made)
    return 1 if any(each.error for each in plugins) else 0


def _shape(report: PluginReport, offered: list[DriverType], accepted: dict[str, DriverType]) -> PluginShape:
    drivers = [driver for driver in offered if accepted.get(driver.name) == driver]
    return PluginShape(
        name=report.name,
        distribution=report.distribution,
        version=report.version,
        drivers=tuple(driver.name for driver in drivers),
        profiles=tuple(profile for driver in drivers for profile in driver.profiles),
        tested_on=tuple(model for driver in drivers for model in driver.tested_on),
        error=report.error,
    )
