"""What commands that talk to a daemon share: the options `--url` and `--data`, and the event loop.

It must not know any particular command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from fleetctl.cli.client import Client
from fleetctl.cli.where import find

json_option = click.option("--json", "as_json", is_flag=True, help="Print the daemon's answer as JSON.")


def with_daemon(
    function: Callable[..., Awaitable[None]],
) -> Callable[..., None]:
    """Make a click callback of `async function(client, ...)`; it gains `--url` and `--data`."""

    @wraps(function)
    def callback(**given: Any) -> None:
        where = find(given.pop("url"), given.pop("data"))

        async def talk() -> None:
            async with Client(where) as client:
                await function(client, **given)

        asyncio.run(talk())

    with_url = click.option("--url", metavar="URL", help="The daemon, as http://HOST:PORT [env FLEETCTL_URL].")
    with_data = click.option(
        "--data",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        help="The daemon's data directory, where its address and token are [env FLEETCTL_DATA].",
    )
    return with_url(with_data(callback))
