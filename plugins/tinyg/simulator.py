"""A pretend TinyG: receive buffer, JSON answers and reports, feed hold, queue flush, reset, alarm, homing.

It reads straight and arc words alike as straight moves, and answers a spindle, coolant or dwell line only once it is
carried out, where the real one answers when it is queued. It must not know the driver. Behaviour follows TinyG 0.97
(`controller.c`, `json_parser.c`, `report.c`, `xio_usb.c`).

Parts are made when `M2` or `M30` runs, after at least one feed move since the last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from fleetctl.sim.machine import SimulatedMachine
from fleetctl.sim.motion import Move, Planner, Point, direction, limited
from fleetctl.sim.options import read_options
from fleetctl.sim.parts import PartSpec

PIECES = re.compile(rb"[!~%\x18]|[^!~%\x18\r\n]*[\r\n]|[^!~%\x18\r\n]+")
COMMENT = re.compile(rb"\([^)]*\)?|;.*")
WORD = re.compile(r"([A-Z])([-+]?(?:\d+\.?\d*|\.\d+))")
RATES_MM_S: Point = (33.0, 33.0, 13.0)
ACCELS_MM_S2: Point = (100.0, 100.0, 100.0)
AXES = "XYZ"
REPORT_S = 0.25
HOMING_S = 6.0
KNOWN_G = frozenset((0, 1, 2, 3, 4, 17, 18, 19, 20, 21, 28.2, 40, 49, 53, 54, 61, 64, 80, 90, 91, 92, 92.1, 93, 94))
KNOWN_M = frozenset((0, 1, 2, 3, 4, 5, 7, 8, 9, 30))
UNSUPPORTED, MALFORMED, ALARMED, NO_FEED = 100, 101, 203, 150


def significant(line: bytes) -> str:
    """What counts of a line: no comments and blanks, upper case."""
    return COMMENT.sub(b"", line).translate(None, bytes(range(33))).decode("latin-1").upper()


def as_executed(program: bytes) -> list[str]:
    """The texts that `executed` holds after just this program; M0 and M6 are the host's."""
    found = [significant(line) for line in re.split(rb"[\r\n]", program)]
    return [text for text in found if text and not re.fullmatch(r"(?:T\d+)?M0*(?:[016]|60)(?:T\d+)?", text)]


@dataclass(frozen=True)
class TinygOptions:
    """The pretend board."""

    rx_bytes: int = 254
    planner_buffers: int = 28
    build: str = "440.20"


class TinygSimulator(SimulatedMachine):
    """One mill. Extra attributes: `stat`, `spindle`, `flood`, `lost_bytes`."""

    faults = ("hard-limit", "reset")

    def __init__(self, options: TinygOptions, *, seed: int, parts: PartSpec | None = None) -> None:
        super().__init__(seed=seed, parts=parts)
        self.options = options
        self.planner = Planner(options.planner_buffers)
        self.lost_bytes = 0
        self._offset: Point = (0.0, 0.0, 0.0)
        self._boot()

    def _boot(self) -> None:
        """Power-on and ^X: everything is forgotten, and it counts from where it stands."""
        here = self.position_mm
        self.planner.flush(self.now_s)
        self._offset = here
        self.planner.place((0.0, 0.0, 0.0))
        self.planned: Point = (0.0, 0.0, 0.0)
        self.stat = 1
        self.spindle, self.flood, self.speed = 0, False, 0.0
        self._ring = bytearray()
        self._pending: tuple[Callable[[], bool], Callable[[], None], float | None] | None = None
        self._flushing = False
        self._motion, self._feed, self._absolute, self._unit = 0.0, 0.0, True, 1.0
        self.cutting_moves = 0
        self._report_at_s: float | None = None
        self._answer({"fv": 0.97, "fb": float(self.options.build), "hp": 1, "id": "sim", "msg": "SYSTEM READY"}, 0)

    # What an observer sees

    @property
    def activity(self) -> str:
        return {1: "ready", 3: "idle", 4: "idle", 5: "run", 6: "hold", 9: "home", 11: "alarm"}[self.stat]

    @property
    def position_mm(self) -> Point:
        (x, y, z), (a, b, c) = self.planner.position(self.now_s), self._offset
        return (x + a, y + b, z + c)

    @property
    def outputs(self) -> dict[str, float]:
        return {"spindle": self.speed if self.spindle else 0.0, "flood": float(self.flood)}

    # Bytes in

    def _hear(self, data: bytes) -> None:
        for piece in PIECES.findall(data):
            if piece in (b"!", b"~", b"%", b"\x18"):
                self._real_time(piece)
            else:
                room = self.options.rx_bytes - len(self._ring)
                self._ring += piece[: max(0, room)]
                self.lost_bytes += max(0, len(piece) - room)
            self._pump()

    def _real_time(self, byte: bytes) -> None:
        if byte == b"\x18":
            self.resets += 1
            self._boot()
        elif self.stat == 11:
            return
        elif byte == b"!" and self.stat in (5, 3, 1, 4):
            if self.planner.queued:
                self.planner.hold(self.now_s)
                self._go(6)
        elif byte == b"~" and self.stat == 6:
            self.planner.resume(self.now_s)
            self._go(5 if self.planner.queued else 3)
        elif byte == b"%":
            self._flushing = True
            self._flush_if_at_rest()

    def _flush_if_at_rest(self) -> None:
        if self._flushing and not self.planner.stopping:
            self._flushing = False
            self.planner.flush(self.now_s)
            self.planned = self.planner.position(self.now_s)
            self._ring.clear()
            self._pending = None
            self._go(3)

    def _pump(self) -> None:
        """Run the main loop until it has to wait."""
        while True:
            if self._pending is not None:
                ready, act, at_s = self._pending
                if not ready() and (at_s is None or self.now_s < at_s):
                    return
                self._pending = None
                act()
                continue
            ends = [at for at in (self._ring.find(b"\n"), self._ring.find(b"\r")) if at >= 0]
            if not ends:
                return
            line = bytes(self._ring[: min(ends)])
            del self._ring[: min(ends) + 1]
            if line.strip():
                self._do_line(line)

    # Lines

    def _do_line(self, line: bytes) -> None:
        if line.lstrip().startswith(b"{"):
            self._query(line)
            return
        text = significant(line)
        self.heard.add(text, self.now_s)
        if not text:
            self._answer({"gc": ""}, 0)
            return
        if self.stat == 11:
            self._answer({"gc": text}, ALARMED)
            return
        words = [(letter, float(value)) for letter, value in WORD.findall(text)]
        if "".join(letter + value for letter, value in WORD.findall(text)) != text:
            self._answer({"gc": text}, MALFORMED)
            return
        codes = {value for letter, value in words if letter == "G"}
        flow = {value for letter, value in words if letter == "M"}
        values = {letter: value for letter, value in words if letter not in "GM"}
        if codes - KNOWN_G or flow - KNOWN_M or values.keys() - set("XYZIJKRFSPTN"):
            self._answer({"gc": text}, UNSUPPORTED)
            return
        self._carry_out(text, codes, flow, values)

    def _carry_out(self, text: str, codes: set[float], flow: set[float], values: dict[str, float]) -> None:
        self._unit = 25.4 if 20 in codes else 1.0 if 21 in codes else self._unit
        self._absolute = True if 90 in codes else False if 91 in codes else self._absolute
        self._feed = values.get("F", self._feed / self._unit) * self._unit
        self._motion = next(iter(codes & {0, 1, 2, 3}), self._motion)
        if "S" in values:
            self.speed = values["S"]
        moves = any(axis in values for axis in AXES) and not codes & {4, 28.2, 92}
        if moves and self._motion and self._feed <= 0:
            self._answer({"gc": text}, NO_FEED)
            return
        self.executed.add(text, self.now_s)
        if moves:
            self._pending = (lambda: self.planner.free > 0, lambda: self._move(text, values), None)
        elif 4 in codes:
            self._pending = (self._drained, lambda: self._dwell(text, values.get("P", 0.0)), None)
        elif 28.2 in codes:
            self._pending = (self._drained, lambda: self._home(text), None)
        else:
            self._pending = (self._drained, lambda: self._switch(text, flow), None)

    def _drained(self) -> bool:
        return self.planner.queued == 0

    def _move(self, text: str, values: dict[str, float]) -> None:
        start = self.planned
        target = [
            (values[axis] * self._unit + (0.0 if self._absolute else start[index]))
            if axis in values
            else start[index]
            for index, axis in enumerate(AXES)
        ]
        end = (target[0], target[1], target[2])
        unit, length = direction(start, end)
        if length > 0:
            speed = limited(self._feed / 60 if self._motion else 1e9, unit, RATES_MM_S)
            accel = limited(1e9, unit, ACCELS_MM_S2)
            self.planner.push(Move(start, end, length, speed, accel, unit, unit, rapid=not self._motion), self.now_s)
            if self.stat in (1, 3, 4):
                self._go(5)
        self.planned = end
        self.cutting_moves += bool(self._motion)
        self._answer({"gc": text}, 0)

    def _dwell(self, text: str, seconds: float) -> None:
        self._go(5)

        def over() -> None:
            self._go(3)
            self._answer({"gc": text}, 0)

        self._pending = (lambda: False, over, self.now_s + seconds)

    def _home(self, text: str) -> None:
        self._answer({"gc": text}, 0)
        self._go(9)

        def homed() -> None:
            self._offset = (0.0, 0.0, 0.0)
            self.planner.place((0.0, 0.0, 0.0))
            self.planned = (0.0, 0.0, 0.0)
            self._go(3)

        self._pending = (lambda: False, homed, self.now_s + HOMING_S)

    def _switch(self, text: str, flow: set[float]) -> None:
        for code in flow:
            if code in (3, 4, 5):
                self.spindle = 0 if code == 5 else int(code)
            elif code in (7, 8, 9):
                self.flood = code != 9
            elif code in (2, 30):
                self.spindle, self.flood = 0, False
                if self.cutting_moves:
                    self._make_parts()
                self.cutting_moves = 0
                self._go(4)
        self._answer({"gc": text}, 0)

    # Answers and reports

    def _query(self, line: bytes) -> None:
        try:
            asked = json.loads(line)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not asked:
            self._answer({"err": "syntax"}, 111)
            return
        name = next(iter(asked))
        known = {"fv": 0.97, "fb": float(self.options.build), "hp": 1, "id": "sim", "qr": self.planner.free}
        if name == "sr":
            self._answer({"sr": self._report()}, 0)
        elif name in known:
            self._answer({name: known[name]}, 0)
        else:
            self._answer({name: None}, UNSUPPORTED)

    def _report(self) -> dict[str, float]:
        x, y, z = self.planner.position(self.now_s)
        vel = round(self.planner.speed_mm_s * 60, 2)
        return {"mpox": round(x, 3), "mpoy": round(y, 3), "mpoz": round(z, 3), "vel": vel, "stat": self.stat}

    def _answer(self, body: dict[str, object], status: int) -> None:
        self._say(json.dumps({"r": body, "f": [1, status, len(body), 0]}, separators=(",", ":")))

    def _go(self, stat: int) -> None:
        """A new state, told at once; while it moves a report follows every quarter of a second."""
        self.stat = stat
        self._say(json.dumps({"sr": self._report()}, separators=(",", ":")))
        self._report_at_s = self.now_s + REPORT_S if stat in (5, 6, 9) else None

    def _fail(self, kind: str) -> None:
        if kind == "reset":
            self.resets += 1
            self._boot()
            return
        self.planner.flush(self.now_s)
        self.planned = self.planner.position(self.now_s)
        self.spindle, self.flood = 0, False
        self._pending = None
        self._ring.clear()
        self.cutting_moves = 0
        self._say('{"er":{"fb":440.20,"st":204,"msg":"Limit switch hit - Shutdown occurred"}}')
        self._go(11)

    # Time

    def next_deadline(self) -> float | None:
        times = [self._report_at_s, self.planner.next_deadline()]
        if self._pending is not None:
            times.append(self._pending[2])
        return min((time for time in times if time is not None), default=None)

    def _wake(self) -> None:
        self._settle()
        if self._report_at_s is not None and self.now_s >= self._report_at_s:
            moving = self.planner.moving or self.stat == 9 or (self._pending is not None and self.stat == 5)
            self._report_at_s = self.now_s + REPORT_S if moving else None
            self._say(json.dumps({"sr": self._report()}, separators=(",", ":")))
        self._pump()

    def _settle(self) -> None:
        self.planner.advance(self.now_s)
        self._flush_if_at_rest()
        if self.stat == 5 and self.planner.queued == 0 and (self._pending is None or self._pending[2] is None):
            self._go(3)


def simulator(seed: int, **options: object) -> TinygSimulator:
    """A powered-on mill. `options` are the fields of `TinygOptions` and `PartSpec`, also as text.

    Raises UsageError for an unknown option or a value that does not fit.
    """
    own, parts = read_options(TinygOptions, options)
    return TinygSimulator(own, seed=seed, parts=parts)
