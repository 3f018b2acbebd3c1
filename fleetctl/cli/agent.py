"""`fleetctl agent`: the process that holds machine links and streams, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from fleetctl.config import load


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="The controller's directory."
)
def agent(data: Path | None) -> None:
    """Run the agent of a data directory. `fleetctl serve` starts one by itself; it outlives the controller."""
    from fleetctl.agent_app import run_agent  # Here, so that every other command starts sooner.

    asyncio.run(run_agent(load(None, data, None)))
