"""What the pretend TinyG says: answers with footers, status and queue reports, exceptions, and JSON questions.

A part of `TinygSimulator`. It must not know G-code.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from fleetctl.sim.machine import SimulatedMachine
from fleetctl.sim.motion import Planner, Point

if TYPE_CHECKING:
    from .simulator import TinygOptions

MM_PER_INCH = 25.4
READ_ONLY, UNKNOWN_NAME, SYNTAX = 104, 100, 111
NAME = re.compile(r'"(\w+)":')
FRAMES = ("g54", "g55", "g56", "g57", "g58", "g59")


class JsonLines(SimulatedMachine):
    """The part of `TinygSimulator` that answers and reports."""

    options: TinygOptions
    is_g2core: bool
    planner: Planner
    frames: list[Point]
    stat: int
    cycle: tuple[float, Callable[[], None]] | None
    """When the homing or probing in hand ends, and what it does then."""
    planned: Point
    _zero: Point
    _pushed: int
    _actions: deque[tuple[int, str]]
    _told_free: int
    _report_at_s: float | None

    def forget(self) -> None:
        """As after power-on."""
        self.stat, self.cycle, self.line_bytes, self.alarmed = 1, None, 0, False
        self.planned = (0.0, 0.0, 0.0)
        self.spindle, self.speed, self.flood, self.mist = 0, 0.0, False, False
        self.inches = self.relative = self.is_homed = False
        self.plane, self.feed_mode, self.frame, self.motion = 0, 1, 1, 4
        self.feed_mm_min = 0.0
        self.g92 = (0.0, 0.0, 0.0)
        self.cutting_moves = 0
        self.probe_found: tuple[int, Point] = (0, (0.0, 0.0, 0.0))
        self.factors = {"mfo": 1.0, "mto": 1.0, "sso": 1.0, "mfoe": 0.0, "mtoe": 0.0, "ssoe": 0.0}
        self._told: dict[str, object] = {}

    @property
    def unit_mm(self) -> float:
        return MM_PER_INCH if self.inches else 1.0

    @property
    def offset_mm(self) -> Point:
        """Of the active frame, with G92."""
        (x, y, z), (a, b, c) = self.frames[self.frame - 1], self.g92
        return (x + a, y + b, z + c)

    @property
    def free_buffers(self) -> int:
        raise NotImplementedError

    @property
    def shut_down(self) -> int:
        raise NotImplementedError

    def alarm(self, status: int, text: str) -> None:
        """A soft alarm."""
        raise NotImplementedError

    def _carry_out_actions(self) -> None:
        raise NotImplementedError

    # Saying

    def say(self, body: dict[str, object]) -> None:
        """One line."""
        text = json.dumps(body, separators=(",", ":"))
        self._say(text if self.options.strict else _unquoted(text))

    def answer(self, body: dict[str, object], status: int) -> None:
        """An `r` with its footer: of the line in hand, or of none."""
        size = self.line_bytes if not self.is_g2core else max(1, self.line_bytes)
        footer: list[object] = [1, status, size]
        if not self.is_g2core:
            footer.append(0)
        whole: dict[str, object] = {"r": body, "f": footer}
        if self.options.jd:
            whole = {"r": {**body, "f": footer}}
        text = json.dumps(whole, separators=(",", ":"))
        if not self.options.strict:
            text = _unquoted(text)
        if not self.is_g2core:
            head, _, tail = text.rpartition(",0")
            text = f"{head},{_checksum(head)}{tail}"
        self._say(text)

    def tell_banner(self) -> None:
        """At every start."""
        self.answer({**self._identity(), "msg": "SYSTEM READY"}, 0)

    def _identity(self) -> dict[str, object]:
        if self.is_g2core:
            return {"fv": 0.99, "fb": float(self.options.build or "101.03"), "hp": "g2v9", "id": "sim"}
        return {"fv": 0.97, "fb": float(self.options.build or "440.21"), "hp": 1, "id": "sim"}

    def tell_exception(self, status: int, text: str) -> None:
        """An `er`."""
        self.say({"er": {"fb": self._identity()["fb"], "st": status, "msg": text}})

    def tell_probe(self, touched: bool, place: Point) -> None:
        """TinyG answers a question that nobody asked; g2core reports."""
        self.probe_found = (int(touched), place)
        if self.is_g2core:
            self.say({"prb": self._probe_body()})
        else:
            self.answer({"prb": self._probe_body()}, 0)

    def _probe_body(self) -> dict[str, object]:
        found, (x, y, z) = self.probe_found
        return {"e": found, "x": round(x, 3), "y": round(y, 3), "z": round(z, 3)}

    # Reports

    def go(self, stat: int) -> None:
        """A new state, told at once; while it moves a report follows now and then."""
        self.stat = stat
        if stat in (1, 3, 4):
            self.alarmed = False
        self.report_changes()
        self._report_at_s = self.now_s + self.options.report_s if stat in (5, 6, 7, 9) else None

    def report_changes(self) -> None:
        """What changed since the last report; nothing with `sv` 0."""
        fields = self._report()
        changed = {name: value for name, value in fields.items() if self._told.get(name) != value}
        if changed and self.options.sv:
            self._told = fields
            self.say({"sr": changed if self.options.sv == 1 else fields})

    def report_queue(self) -> None:
        """The planner's free buffers when they changed; nothing with `qv` 0."""
        if self.options.qv and self.free_buffers != self._told_free:
            self._told_free = self.free_buffers
            self.say({"qr": self._told_free})

    def _report(self) -> dict[str, object]:
        place, offset, unit = self.planner.position(self.now_s), self.offset_mm, self.unit_mm
        velocity = self.planner.speed_mm_s * 60 / unit if self.stat in (5, 7) else 0.0
        if self.options.tells_machine_places:
            places = {f"mpo{axis}": round(value, 3) for axis, value in zip("xyz", place, strict=True)}
        else:
            places = {
                f"pos{axis}": round((value - less) / unit, 3)
                for axis, value, less in zip("xyz", place, offset, strict=True)
            }
        return {
            **places,
            "feed": round(self.feed_mm_min / unit, 2),
            "vel": round(velocity, 2),
            "unit": 0 if self.inches else 1,
            "coor": self.frame,
            "dist": int(self.relative),
            "frmo": self.feed_mode,
            "stat": self.stat,
        }

    # Questions and settings

    def do_json(self, line: bytes) -> None:
        """One name, with null to ask for it or a value to set it."""
        try:
            asked = json.loads(line)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not asked:
            self.answer({"err": line.decode("latin-1")}, SYNTAX)
            return
        name, value = next(iter(asked.items()))
        if name == "clear":
            self._clear()
            self.answer({"clear": 0}, 0)
        elif value is None:
            told = self._known().get(name)
            self.answer({name: told}, UNKNOWN_NAME if told is None else 0)
        elif self.is_g2core and isinstance(value, int | float):
            self._set(name, float(value))
        else:
            self.answer({name: value}, READ_ONLY)

    def _clear(self) -> None:
        self.alarmed = False
        if self.stat == 2:
            self.go(5 if self.planner.queued else 3)
        elif self.is_g2core and self.stat == self.shut_down:
            self.go(1)

    def _set(self, name: str, value: float) -> None:
        if name in ("spc", "cof", "com"):
            if name == "spc":
                self.spindle = int(value)
            elif name == "cof":
                self.flood = bool(value)
            else:
                self.mist = bool(value)
        elif name in self.factors and self.options.overrides:
            self.factors[name] = value
            feed = self.factors["mfo"] if self.factors["mfoe"] else 1.0
            rapid = self.factors["mto"] if self.factors["mtoe"] else 1.0
            self.planner.set_factors(feed, rapid, self.now_s)
        else:
            self.answer({name: value}, UNKNOWN_NAME)
            return
        self.answer({name: value}, 0)

    def _known(self) -> dict[str, object]:
        unit = self.unit_mm
        other = unit if self.is_g2core else 1.0
        places = {name: _body(place, unit) for name, place in zip(FRAMES, self.frames, strict=True)}
        known: dict[str, object] = {
            **self._identity(),
            **places,
            "g92": _body(self.g92, other),
            "g28": _body((0.0, 0.0, 0.0), other),
            "g30": _body((0.0, 0.0, 0.0), other),
            "mpo": _body(self.planner.position(self.now_s), 1.0),
            "plan": self.plane,
            "momo": self.motion,
            "home": int(self.is_homed),
            "prb": self._probe_body(),
            "sv": self.options.sv,
            "qv": self.options.qv,
            "qr": self.free_buffers,
            "sr": self._report(),
            "xjm": 50.0,
            "yjm": 50.0,
            "zjm": 25.0,
        }
        if self.is_g2core:
            known |= {"tof": _body((0.0, 0.0, 0.0), unit), "spc": {0: 0, 3: 1, 4: 2}.get(self.spindle, self.spindle)}
            known |= self.factors if self.options.overrides else {}
        return {**self._report(), **known}


def _body(place: Point, unit_mm: float) -> dict[str, object]:
    return {axis: round(value / unit_mm, 3) for axis, value in zip("xyz", place, strict=True)}


def _unquoted(text: str) -> str:
    """Names without quotes; texts keep theirs."""
    return NAME.sub(r"\1:", text)


def _checksum(text: str) -> int:
    """As Java's hashCode, modulo 9999 (util.c)."""
    total = 0
    for sign in text:
        total = (31 * total + ord(sign)) % 2**32
    return total % 9999
