"""`fleetctl agent`: the process that holds machine links and streams, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from fleetctl.config import FIRST_AGENT, load


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="The controller's directory."
)
@click.option("--name", metavar="NAME", default=FIRST_AGENT, show_default=True, help="Which agent of the directory.")
def agent(data: Path | None, name: str) -> None:
    """Run an agent of a data directory. `fleetctl serve` starts what it needs; they outlive the controller."""
    from fleetctl.agent_app import run_agent  # Here, so that every other command starts sooner.
    from fleetctl.transport.port_loop import port_loop

    with asyncio.Runner(loop_factory=port_loop) as runner:
        runner.run(run_agent(load(None, data, None).of_agent(name)))
