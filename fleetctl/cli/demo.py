"""`fleetctl demo`: a simulated fleet, a real daemon, and a pretend operator, to look at and to kill."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import click
from rich.text import Text

from fleetctl.cli.output import QUIET, RED, console
from fleetctl.cli.where import data_directory
from fleetctl.clock import SystemClock
from fleetctl.sim.demo import Demo, Settings

LASTING_BATCHES = 4
"""Without `--once` the sample order is this many times as large, so that there is something to look at."""


@click.command()
@click.option("--machines", type=click.IntRange(1, 60), default=6, show_default=True, metavar="N", help="How many.")
@click.option("--speedup", type=click.FloatRange(min=0.1), default=30.0, show_default=True, metavar="X")
@click.option(
    "--once", is_flag=True, help="End when the sample order is all good parts; fail when it does not get there."
)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where it keeps everything."
)
@click.option("--listen", default="127.0.0.1:8420", show_default=True, metavar="HOST:PORT")
def demo(machines: int, speedup: float, once: bool, data: Path | None, listen: str) -> int:
    """Show a simulated fleet at work on real pseudo-terminals and sockets. End with Ctrl-C; start again to go on."""
    settings = Settings(
        data=(data_directory(None) / "demo-site") if data is None else data,
        listen=listen,
        machines=machines,
        speedup=speedup,
        batches=1 if once else LASTING_BATCHES,
    )
    return asyncio.run(_show(settings, once))


async def _show(settings: Settings, once: bool) -> int:
    main = asyncio.current_task()
    assert main is not None
    _on_signals(main.cancel)
    show = Demo(settings, SystemClock(), _say)
    try:
        async with await show.start() as api:
            link = await show.prepare(api)
            console().print(Text.assemble("\n  Open ", (show.url + "/", "bold"), "  or, signed in (once): "))
            console().print(Text(f"  {link}"), soft_wrap=True)
            console().print(Text("  Ctrl-C ends everything; the next start goes on from here.\n", style=QUIET))
            trouble = await show.run(api, once=once)
    except asyncio.CancelledError:
        _say("Ending.")
        trouble = "It was interrupted before the sample order was done." if once else ""
    finally:
        main.uncancel()
        _on_signals(lambda: _say("Still ending what was started; a moment."))
        await show.end()
    if trouble:
        console().print(Text(trouble, style=RED))
        return 1
    if once:
        console().print("The sample order is all good parts.")
    return 0


def _on_signals(act: Callable[[], object]) -> None:
    """`kill` and a closing terminal end the demo like Ctrl-C, so that nothing it started stays behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, act)


def _say(sentence: str) -> None:
    at = SystemClock().wall().astimezone().strftime("%H:%M:%S")
    console().print(Text.assemble((at, QUIET), "  ", sentence))
