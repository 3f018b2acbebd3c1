"""The group `fleetctl` and its commands, each from the file of its noun."""

from __future__ import annotations

import click

from fleetctl import __version__
from fleetctl.cli.agent import agent
from fleetctl.cli.demo import demo
from fleetctl.cli.doctor import doctor
from fleetctl.cli.estop import estop
from fleetctl.cli.job import job
from fleetctl.cli.machine_setup import machine
from fleetctl.cli.part import part
from fleetctl.cli.plugin import plugin
from fleetctl.cli.preflight import preflight
from fleetctl.cli.run import run
from fleetctl.cli.serve import serve
from fleetctl.cli.simulate import simulate
from fleetctl.cli.submit import submit
from fleetctl.cli.watch import watch

COMMANDS: tuple[click.Command, ...] = (
    serve,
    agent,
    demo,
    preflight,
    machine,
    submit,
    job,
    run,
    part,
    watch,
    simulate,
    plugin,
    estop,
    doctor,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fleetctl")
def root() -> None:
    """Turns a room of 3D printers and CNC machines into one dependable small-batch factory."""


for command in COMMANDS:
    root.add_command(command)
