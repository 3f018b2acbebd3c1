"""The group `fleetctl`: where each command is. A command's file is imported when it is asked for, so that the agent,
which lives for months, carries nothing of the others."""

from __future__ import annotations

from importlib import import_module

import click

from fleetctl import __version__

COMMANDS = {
    "agent": "agent",
    "agents": "agents",
    "demo": "demo",
    "doctor": "doctor",
    "estop": "estop",
    "job": "job",
    "machine": "machine_capture",
    "part": "part",
    "plugin": "plugin",
    "preflight": "preflight",
    "program": "program",
    "run": "run",
    "serve": "serve",
    "simulate": "simulate",
    "submit": "submit",
    "watch": "watch",
}
"""Name of each command, and the module of this package that defines it under that name."""


class Commands(click.Group):
    """The commands of `COMMANDS`, each imported at its first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"fleetctl.cli.{COMMANDS[cmd_name]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fleetctl")
def root() -> None:
    """Turns a room of 3D printers and CNC machines into one dependable small-batch factory."""
