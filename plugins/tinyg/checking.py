"""What the TinyG engine asks the controller before a program, and what it makes of the answers.

Calls only `ending` and `state` below it; what is compared is in `fleetctl.protocol.standing`. It changes nothing on
the machine. Places are told in the active units: work offsets on both firmwares, G92, G28 and G30 on g2core only
(`config_app.c`, `config_app.cpp`, the flag for conversion).
"""

from __future__ import annotations

from typing import Any

from fleetctl.errors import FleetctlError
from fleetctl.model.machine import Activity
from fleetctl.protocol import standing
from fleetctl.protocol.engine import RunBegun

from . import words
from .ending import FRAMES, PATIENCE_S, Ending
from .report import FRAME_NAMES, MM_PER_INCH
from .sender import Ask
from .state import Phase

PLANES = {0: "G17", 1: "G18", 2: "G19"}
FEED_MODES = {0: "G93", 1: "G94", 2: "G95"}
MOTIONS = {0: "G0", 1: "G1", 2: "G2", 3: "G3"}
SPINDLES = {1: "M3", 2: "M4"}
STORED = ("g92", "g28", "g30")
MODES = ("unit", "coor", "plan", "frmo", "momo", "feed")
OF_G2CORE = ("tof", "spc")
"""Tool length and spindle, which TinyG does not tell."""
ASK_AGAIN = "Ask it for its offsets, then release the job again."


class Checking(Ending):
    """Between a start and its first byte."""

    def _check(self, now: float) -> None:
        """Ask how the controller stands; the program begins with the last answer, or not at all."""
        self._phase, self._due_s = Phase.CHECKING, now + PATIENCE_S
        names = ["sv", *FRAMES, *STORED, *MODES, *(OF_G2CORE if self._dialect.json_first else ())]
        self._check_asks = [Ask(f'{{"{name}":null}}', self._one_told) for name in [*names, "sr"]]
        self._check_asks[-1].done = self._all_told
        self._sender.asks += self._check_asks

    def _one_told(self, ask: Ask, status: int) -> None:
        if status and ask in self._check_asks and ask.name not in OF_G2CORE:
            self._refuse(f"It does not tell {ask.name}: {self._dialect.status_text(status)}.", ASK_AGAIN)

    def _all_told(self, ask: Ask, status: int) -> None:
        if ask not in self._check_asks:
            return  # of a run that was given up meanwhile
        told = {each.name: each.body.get(each.name) for each in self._check_asks}
        if told["sv"] == 0:
            self._refuse(
                "Its status reports are off, so nobody would see it stop.", 'Send {"sv":1} to it, as it comes.'
            )
            return
        stands = read_standing(told, converts_places=self._dialect.converts_places)
        if status or stands is None:
            self._refuse("What it told of its offsets or modes could not be read.", ASK_AGAIN)
            return
        self._report.frames_mm = {name: _three(stands.offsets_mm[name]) for name in FRAME_NAMES.values()}
        self._report.g92_mm = _three(stands.offsets_mm["G92"])
        try:
            found = standing.obstacle(stands, self._expected_mm, self._set_by_program)
        except FleetctlError as refused:
            self._refuse(str(refused))
            return
        if found is not None:
            self._refuse(*found)
        elif not self._report.at_rest:
            self._refuse(f"{self._dialect.firmware} is {self._dialect.state_text(self._report.stat)}.", "")
        else:
            self._begin()

    def _set_by_program(self) -> frozenset[str]:
        head = self._sender.head(standing.HEAD_LINES)
        return standing.set_by(head, whole=self._sender.read_out)

    def _begin(self) -> None:
        """The first line of the program goes out in this step."""
        self._check_asks = []
        self._sender.feeding = self._in_run = True
        self._phase, self._due_s = Phase.RUNNING, None
        self._report.free = -1  # what is told from now on counts
        self._since_told = 0
        self._events.append(RunBegun())
        self._show(Activity.RUNNING, "")


def read_standing(told: dict[str, Any], *, converts_places: bool) -> standing.Standing | None:
    """The answers by name; None when one that must be there is not, or cannot be read."""
    unit_mm = MM_PER_INCH if told.get("unit") == 0 else 1.0
    offsets: dict[str, tuple[float, ...]] = {"TLO": (0.0,)}
    for name in (*FRAMES, *STORED, "tof"):
        place = words.point(told.get(name))
        if place is None:
            if name == "tof":
                continue
            return None
        scale = unit_mm if name in FRAMES or converts_places else 1.0
        offsets["TLO" if name == "tof" else name.upper()] = tuple(each * scale for each in place)
    modes = {PLANES.get(_number(told, "plan"), ""), FEED_MODES.get(_number(told, "frmo"), "")}
    modes.add(FRAME_NAMES.get(_number(told, "coor"), ""))
    if "" in modes:
        return None
    modes.add(MOTIONS.get(_number(told, "momo"), "G80"))
    if (turning := SPINDLES.get(_number(told, "spc"))) is not None:
        modes.add(turning)
    if (feed := words.number(told.get("feed"))) is not None:
        modes.add(f"F{feed:g}")
    return standing.Standing(offsets, frozenset(modes))


def _number(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    return value if isinstance(value, int) else -1


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    return (values[0], values[1], values[2])
