"""`fleetctl simulate`: one pretend machine, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fleetctl.cli.output import QUIET, console
from fleetctl.sim.run import RunSettings, run_simulator


@click.command()
@click.argument("driver", metavar="DRIVER")
@click.option("--link", type=click.Path(path_type=Path), help="A stable name for its pseudo-terminal.")
@click.option(
    "--tcp", metavar="HOST:PORT", help="Listen on TCP instead of a pseudo-terminal; port 0 is any free one."
)
@click.option("--speedup", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="Times life speed.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random about it.")
@click.option("--tray", type=click.Path(path_type=Path), help="Append each part it makes to this JSON-lines file.")
@click.option("--trace", type=click.Path(path_type=Path), help="Append each executed line to this JSON-lines file.")
@click.option("--state", type=click.Path(path_type=Path), help="Keep its physical state in this JSON file.")
@click.option("--dtr-reset", is_flag=True, help="Reset whenever a host opens the port, as many boards do.")
@click.option(
    "--fault", multiple=True, metavar="KIND@WHEN", help="KIND@LINE, KIND@SECONDSs or KIND%RATE, then :VALUE."
)
@click.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="A property of the machine or its parts.")
def simulate(
    driver: str,
    link: Path | None,
    tcp: str | None,
    speedup: float,
    seed: int,
    tray: Path | None,
    trace: Path | None,
    state: Path | None,
    dtr_reset: bool,
    fault: tuple[str, ...],
    options: tuple[str, ...],
) -> int:
    """Run one simulated machine of DRIVER (marlin, grbl, tinyg) until Ctrl-C; the first line says its port."""
    settings = RunSettings(
        seed=seed,
        speedup=speedup,
        link=link,
        tcp=tcp,
        tray=tray,
        trace=trace,
        state=state,
        dtr_reset=dtr_reset,
        faults=fault,
        options=read_options(options),
    )
    screen = console()
    if screen.is_terminal:
        screen.print(
            "A simulated machine; add it with `fleetctl machine add NAME --driver ... --port ...`.", style=QUIET
        )
    return run_simulator(driver, settings)


def read_options(given: tuple[str, ...]) -> dict[str, Any]:
    """`NAME=VALUE` texts as a dict; hyphens in names count as underscores."""
    options: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{text!r} is not NAME=VALUE.")
        options[name.replace("-", "_")] = value
    return options
