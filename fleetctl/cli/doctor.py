"""`fleetctl doctor`: looks at what usually stands in the way, and says what to do about it. It changes nothing."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import aiohttp
import click
import msgspec
from rich.text import Text

from fleetctl import __version__
from fleetctl.cli.command import json_option
from fleetctl.cli.output import AMBER, QUIET, RED, say, show_json, size, table
from fleetctl.cli.where import data_directory, find
from fleetctl.errors import FleetctlError
from fleetctl.transport.ports import serial_ports

FREE_LEAST_BYTES = 500_000_000
ANSWER_WITHIN_S = 5.0
PACKAGES = ("aiohttp", "sqlalchemy", "pyserial", "pyserial-asyncio", "msgspec", "pluggy", "click", "rich")
WORD_STYLE = {"ok": QUIET, "note": "", "warning": AMBER, "broken": RED}


@dataclass(frozen=True)
class Found:
    """One thing looked at: `word` is ok, note, warning or broken; `hint` what to do."""

    what: str
    word: str
    text: str
    hint: str = ""


@click.command()
@click.option("--url", metavar="URL", help="The daemon, as http://HOST:PORT [env FLEETCTL_URL].")
@click.option(
    "--data", metavar="DIR", type=click.Path(path_type=Path), help="The data directory [env FLEETCTL_DATA]."
)
@json_option
def doctor(url: str | None, data: Path | None, as_json: bool) -> int:
    """Check versions, data directory, serial ports and their rights, and whether the daemon answers."""
    directory = data_directory(data)
    found = [*_versions(), *_directory(directory), *_ports(), *asyncio.run(_daemon(url, data))]
    if as_json:
        show_json([asdict(each) for each in found])
    else:
        made = table("", "what", "found")
        for each in found:
            text = Text(each.text)
            if each.hint:
                text.append(f" {each.hint}", style="bold")
            made.add_row(Text(each.word, style=WORD_STYLE[each.word]), each.what, text)
        say(made)
    return 1 if any(each.word == "broken" for each in found) else 0


def _versions() -> Iterator[Found]:
    yield Found(
        "fleetctl", "ok", f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    )
    have = []
    for name in PACKAGES:
        try:
            have.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Found("package", "broken", f"{name} is not installed.", "Install fleetctl again: `pip install .`")
    yield Found("packages", "ok", ", ".join(have))


def _directory(directory: Path) -> Iterator[Found]:
    what = "data directory"
    if not directory.exists():
        yield Found(what, "note", f"{directory} does not exist yet; `fleetctl serve` makes it.")
        return
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        yield Found(
            what, "broken", f"{directory} cannot be written.", f"Make it yours: `sudo chown -R $USER {directory}`"
        )
        return
    yield Found(what, "ok", str(directory))
    free_bytes = shutil.disk_usage(directory).free
    word = "ok" if free_bytes >= FREE_LEAST_BYTES else "warning"
    yield Found("free space", word, size(free_bytes), "" if word == "ok" else "Nothing new starts on a full disk.")
    token = directory / "admin.token"
    if token.exists() and stat.S_IMODE(token.stat().st_mode) & 0o077:
        yield Found("token", "broken", f"Others can read {token}.", f"Close it: `chmod 600 {token}`")


def _ports() -> Iterator[Found]:
    ports = serial_ports()
    if not ports:
        yield Found("serial ports", "note", "There is none on this computer.")
    for port in ports:
        if os.access(port.device, os.R_OK | os.W_OK):  # busy is no fault: the agent may be who has it open
            yield Found("serial port", "note" if port.problem else "ok", f"{port.name} {port.problem}".strip())
        else:
            hint = "Join the group that owns it: `sudo usermod -aG dialout $USER`, then log in again."
            yield Found("serial port", "broken", f"{port.name} may not be opened by you.", hint)


async def _daemon(url: str | None, data: Path | None) -> list[Found]:
    try:
        where = find(url, data)
    except FleetctlError as error:
        return [Found("daemon", "note", error.message, error.hint or "")]
    try:
        async with (
            asyncio.timeout(ANSWER_WITHIN_S),
            aiohttp.ClientSession() as http,
            http.get(f"{where.url}/healthz") as answer,
        ):
            health = msgspec.json.decode(await answer.read(), type=dict[str, object])
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as cause:
        text = f"{where.url} does not answer ({cause or 'too slow'})."
        return [Found("daemon", "broken", text, "Start it with `fleetctl serve`, or look into its log.")]
    theirs = str(health.get("version", "unknown"))
    if answer.status != 200:
        return [
            Found(
                "daemon", "broken", f"{where.url} says {health.get('status', answer.status)}.", "Look into its log."
            )
        ]
    if theirs != __version__:
        hint = f"This command line is {__version__}: install the same version for both."
        return [Found("daemon", "warning", f"{where.url} is version {theirs}.", hint)]
    return [Found("daemon", "ok", f"{where.url}, version {theirs}, Python of this command: {sys.executable}")]
