"""How the command line looks: calm tables, amber for your turn, red for broken, JSON on request.

It shows the daemon's own words and sentences and invents none. It must not know the daemon.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fleetctl.clock import SystemClock
from fleetctl.errors import FleetctlError
from fleetctl.scheduling.reason import Need, Reason

AMBER = "bold yellow"
RED = "bold red"
BAR_WIDTH = 24
QUIET = "dim"
STEEL = "steel_blue"
"""Bars: what runs as it should has no warm colour."""


def console() -> Console:
    """Where answers go. Not kept: standard output may be replaced between commands (tests, pipes)."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())


def error_console() -> Console:
    """Where errors and progress go, so that a pipe gets only the answer."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=not sys.stderr.isatty())


def say(text: RenderableType) -> None:
    """One paragraph of the answer."""
    console().print(text, markup=False) if isinstance(text, str) else console().print(text)


def show_error(error: FleetctlError) -> None:
    """The error as one red sentence, and below it what to do next."""
    screen = error_console()
    screen.print(Text(error.where + error.message, style="red"))
    if error.hint:
        screen.print(Text(error.hint))


def show_json(answer: bytes | object) -> None:
    """The answer as JSON, indented; bytes are taken as JSON already."""
    data = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
    sys.stdout.write(msgspec.json.format(data, indent=2).decode() + "\n")


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An open table: no frame, headings quiet, the named columns aligned to the right."""
    made = Table(box=None, pad_edge=False, header_style=QUIET, show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def facts(pairs: Sequence[tuple[str, RenderableType]]) -> Table:
    """Two columns: a quiet name and its value; empty values are left out."""
    made = Table(box=None, pad_edge=False, show_header=False, show_edge=False)
    made.add_column(style=QUIET, no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        if str(value):
            made.add_row(name, value)
    return made


def bar(total: float, completed: float) -> ProgressBar:
    """How far something is."""
    return ProgressBar(total, completed, BAR_WIDTH, complete_style=STEEL, finished_style=STEEL)


def style_of(need: Need) -> str:
    """Red when broken, amber when a person is needed now, else nothing."""
    if need is Need.FAULT:
        return RED
    return AMBER if need <= Need.RUN_AT_RISK else ""


def sentence(reason: Reason | None, otherwise: str = "") -> Text:
    """Why something waits, coloured only when it is somebody's turn."""
    if reason is None:
        return Text(otherwise)
    return Text(reason.sentence, style=style_of(reason.need))


def moment(at_s: float | None) -> str:
    """A Unix time as the local wall clock shows it: the time today, else with its date; empty for None."""
    if at_s is None:
        return ""
    local = datetime.fromtimestamp(at_s, tz=UTC).astimezone()
    today = SystemClock().wall().astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M")


def span(duration_s: float) -> str:
    """A duration in its two greatest units: `42 s`, `7 min 05 s`, `3 h 20 min`, `2 d 4 h`."""
    whole = int(max(0.0, duration_s) + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def size(size_bytes: int) -> str:
    """Bytes in the unit a person would choose: `812 B`, `45.5 kB`, `12.0 MB`."""
    amount, unit = float(size_bytes), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{int(amount)} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
