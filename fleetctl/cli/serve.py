"""`fleetctl serve`: the controller of a site, which starts its agent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from fleetctl.config import load


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where it keeps everything."
)
@click.option(
    "--listen", metavar="HOST:PORT", help="Where it answers; 127.0.0.1:8420 unless the file says otherwise."
)
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE")
def serve(data: Path | None, listen: str | None, file: Path | None) -> None:
    """Run the controller, and with it the agent that holds this computer's machines."""
    from fleetctl import app  # Here, so that every other command starts in half the time.

    asyncio.run(app.serve(load(file, data, listen)))
