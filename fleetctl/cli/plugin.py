"""`fleetctl plugin`: what is installed beside fleetctl, and whether it loads."""

from __future__ import annotations

import click

from fleetctl.cli.command import json_option
from fleetctl.cli.output import show_json


@click.group()
def plugin() -> None:
    """Plug-ins: machine types, checks and the like."""


@plugin.command("list")
@json_option
def list_plugins(as_json: bool) -> None:
    """List plug-ins with the machine types they bring."""
    show_json([])
