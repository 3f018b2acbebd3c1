"""How a Marlin is jogged: short relative moves while a person holds a key, single steps, and coming to rest.

A layer of the engine above `answers`. Marlin has no jog and no cancel, so the queue is what is bounded: the planner
stops at its end by itself, which is 200 ms after the last heartbeat at the latest (`protocol.jogging`). M410 stops at
once and without slowing down, after which the steppers are expected to be out of step (marlinfw.org, M410), so it is
for the middle of a step only, where the emergency parser hears it, and the position is suspect then.

Moves are relative (G91) and in millimetres (G21, as at power-on, whatever was left). RepRapFirmware and Smoothieware
keep and restore their modes (M120, M121: in Marlin those switch the endstops on and off!); elsewhere G90 and the mode
of E that was seen last, M82 at first, as at power-on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto

import msgspec

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.model.profile import Envelope
from fleetctl.protocol.engine import CommandDone, PositionSuspect
from fleetctl.protocol.jog_steps import JogSteps
from fleetctl.protocol.jogging import AXES, JOG_AXES, STEP_MOST_S, JogLimits, JogPlan, step_s

from . import words
from .answers import Answers
from .link import MOST_LINES, Ask

KEEPS_MODES = frozenset({"RepRapFirmware", "Smoothieware"})
"""Where M120 and M121 push and pop modes and feed (Duet3D GCodes dictionary; smoothieware.org, supported G-codes)."""

FIRST_MOVES = 3
"""With fewer moves queued Marlin waits up to 100 ms before it begins (planner.cpp, BLOCK_DELAY_FOR_1ST_MOVE). A block
that runs is not planned again, so where a firmware does not wait its first move ends in a stop."""

STEP_UNHEARD_MOST_S = 5.0
"""Without an emergency parser nothing ends a step before its end."""

JOGGED = "jogged"

SETTING = re.compile(r"\b(M20[134])\b((?:\s+[A-Z]-?\d+\.?\d*)+)")
VALUE = re.compile(r"([A-Z])(\d+\.?\d*)")
"""Lines of M503: M203 feeds in mm/s (RepRapFirmware: mm/min), M201 accelerations, M204 T that of travel moves."""

STEPPERS_OFF = frozenset({b"M18", b"M84"})
SHIFTS = frozenset({*(b"G%d" % number for number in range(54, 60)), b"M206", b"M428"})
"""After these M114 tells other coordinates than those of the machine (marlinfw.org, G54-G59.3, M206, M428)."""

SHIFTED = re.compile(r"G92\s*\Z|[XYZ]")
"""Of G92: for a moving axis, or for all; `G92 E0` shifts nothing."""


class Jog(Enum):
    """What becomes of the jog in hand."""

    NONE = auto()
    ASKING = auto()
    """Where does it stand?"""
    MOVING = auto()
    STEPPING = auto()
    SETTLING = auto()
    """Modes back, planner dry, and where is it now?"""


class Jogging(Answers):
    """`protocol.operating.Jogged`."""

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        super().__init__(most_lines)
        self._jog = Jog.NONE
        self._limits = JogLimits()
        self._plan = JogPlan(self._limits)
        self._jog_within: Envelope | None = None
        self._jog_line: Ask | None = None
        self._jog_due_s: float | None = None
        self._steps = JogSteps()
        self._homed_here = False
        self._relative_e = False
        self._keeps_modes = False
        self._limits_told = False

    def limit_jogs(self, limits: JogLimits) -> None:
        """What the profile says of feeds and accelerations."""
        self._limits = msgspec.structs.replace(limits, moves_least=FIRST_MOVES, starts_twice=True)

    # Verbs

    def jog(self, velocity_mm_s: Mapping[str, float], until_s: float, within: Envelope | None, now: float) -> None:
        """Move like this until `until_s`; without speed, come to rest."""
        if not any(velocity_mm_s.values()):
            self._stop_jog(now)
            self._step(now)
            return
        self._need_jog(velocity_mm_s)
        if self._known(within) is None and any(velocity_mm_s.get(axis) for axis in AXES):
            raise MachineError(
                "Nobody knows where the tool is.", hint="Home it first, or go in short steps and look."
            )
        if self._jog is Jog.STEPPING:
            raise MachineBusy("It still does the steps before; stop them first.")
        if self._jog is Jog.NONE:
            self._plan = JogPlan(self._limits)
        self._plan.renew(velocity_mm_s, until_s)
        self._jog_within = self._known(within)
        if self._jog is Jog.NONE:
            self._ask_where()
        self._step(now)

    def jog_step(
        self, distance_mm: Mapping[str, float], feed_mm_s: float, within: Envelope | None, now: float
    ) -> int:
        """One move; answered when it is planned."""
        self._need_jog(distance_mm)
        if self._jog is Jog.MOVING:
            raise MachineBusy("It is being jogged.")
        within = self._known(within)
        heard, begun = self._can("EMERGENCY_PARSER"), self._jog is Jog.STEPPING
        feed_mm_s = self._steps.feed(distance_mm, feed_mm_s, within, self._limits, begun=begun)
        if not heard and step_s(distance_mm, feed_mm_s) > STEP_UNHEARD_MOST_S:
            raise UsageError(
                f"This firmware cannot be stopped within a step, so one takes {STEP_UNHEARD_MOST_S:g} s at most."
            )
        most_s = STEP_MOST_S if heard else STEP_UNHEARD_MOST_S
        self._steps.add(distance_mm, feed_mm_s, self._tickets + 1, now, most_s)
        self._tickets += 1
        self._jog_within = within
        if self._jog is Jog.NONE:
            self._ask_where()
        self._step(now)
        return self._tickets

    def _need_jog(self, axes: Mapping[str, float]) -> None:
        if unknown := sorted(axis for axis in axes if axis not in JOG_AXES):
            raise UsageError(f"There is no axis {unknown[0]}; there are {', '.join(JOG_AXES)}.")
        if self._jog is Jog.NONE:
            self._need_idle()

    def _need_idle(self) -> None:
        super()._need_idle()
        if self._jog is not Jog.NONE:
            raise MachineBusy("It is being jogged.", hint="Let go of it first.")

    def _known(self, within: Envelope | None) -> Envelope | None:
        """A board that was switched on says X0 Y0 Z0 wherever it stands: only homing tells, and with the motors off
        the tool can be pushed."""
        return within if self._homed_here else None

    # Where the tool is

    def _homed(self, ask: Ask, now: float) -> None:
        self._homed_here = not ask.failed
        super()._homed(ask, now)

    def _command_done(self, ask: Ask, now: float) -> None:
        """Lines that a person sent tell something of modes and position too."""
        text = ask.text.upper()
        code = words.code(text.encode("ascii"))
        if code == b"G28" and not any(axis in text[3:] for axis in AXES):
            self._homed_here = not ask.failed
        elif code in STEPPERS_OFF or code in SHIFTS or (code == b"G92" and SHIFTED.search(text)):
            self._homed_here = False
        elif code in (b"M82", b"G90"):
            self._relative_e = False
        elif code in (b"M83", b"G91"):
            self._relative_e = True
        super()._command_done(ask, now)

    def _identified(self, ask: Ask, now: float) -> None:
        super()._identified(ask, now)
        self._keeps_modes = words.firmware_facts(ask.lines)[0] in KEEPS_MODES

    def _forget_position(self) -> None:
        self._homed_here = False

    def _ask_where(self) -> None:
        self._jog = Jog.ASKING
        if not self._limits_told:
            self._asks.append(Ask("M503", self._settings_told))
        self._jog_line = Ask("M114", self._told_where, wants_answer=True)
        self._asks.append(self._jog_line)
        self._tell(Activity.RUNNING, JOGGED)

    def _settings_told(self, ask: Ask, now: float) -> None:
        """A firmware that is slower than its profile would take longer for the queue than we reckon."""
        self._limits_told = True
        self._limits = slower(self._limits, ask.lines)
        self._plan.limits = self._limits

    def _told_where(self, ask: Ask, now: float) -> None:
        self._jog_line = None
        told = (words.position(line.encode("latin-1")) for line in ask.lines)
        found = next((point for point in told if point is not None), None)
        if self._jog is Jog.SETTLING:
            self._settled(now)
            return
        if self._jog is not Jog.ASKING:
            return
        if found is None:  # no mode was changed yet
            self._events += self._steps.forget("it did not say where it stands")
            self._jog = Jog.NONE
            self._tell(Activity.IDLE, "")
            return
        before = ["M120", "G21", "G91", "M83"] if self._keeps_modes else ["G21", "G91"]
        self._asks += [Ask(line) for line in before]
        self._jog = Jog.STEPPING if self._steps else Jog.MOVING
        here_mm = dict(zip(AXES, found, strict=True))
        self._plan.begin(here_mm if self._jog_within is not None else {})
        self._steps.begin(here_mm)
        self._steps.ends_s = now

    # What goes out

    def _step(self, now: float) -> None:
        self._feed_jog(now)
        super()._step(now)

    def _feed_jog(self, now: float) -> None:
        self._jog_due_s = None
        if self._jog is Jog.STEPPING:
            while (step := self._steps.take(self._jog_within, self._limits, now)) is not None:
                if isinstance(step, CommandDone):
                    self._events.append(step)
                else:
                    self._send_move(step.distance_mm, step.feed_mm_s, step.ticket)
            if self._jog_line is None:
                self._end_jog_when_done(self._steps.ends_s, now)
        elif self._jog is Jog.MOVING:
            move = None if self._jog_line is not None else self._plan.take(now, self._jog_within)
            if move is not None:
                self._send_move(move.distance_mm, move.feed_mm_s, 0)
            if self._plan.wanted(now):
                # One line at a time: the answer to it brings the next.
                self._jog_due_s = self._plan.until_s if self._jog_line is not None else self._plan.due_s(now)
            elif self._jog_line is None:
                self._end_jog_when_done(self._plan.ends_s, now)

    def _end_jog_when_done(self, ends_s: float, now: float) -> None:
        """A step more may come until then; M400 would make it wait."""
        if now < ends_s:
            self._jog_due_s = ends_s
        else:
            self._settle()

    def _settle(self) -> None:
        self._jog = Jog.SETTLING
        modes = ["M121"] if self._keeps_modes else ["G90", "M83" if self._relative_e else "M82"]
        self._jog_line = Ask("M114", self._told_where, wants_answer=True)
        self._asks += [*(Ask(line) for line in modes), Ask("M400"), self._jog_line]

    def _settled(self, now: float) -> None:
        self._jog = Jog.NONE
        if self._steps or self._plan.wanted(now):
            self._ask_where()  # somebody went on meanwhile
        else:
            self._tell(Activity.IDLE, "")

    def _send_move(self, distance_mm: Mapping[str, float], feed_mm_s: float, ticket: int) -> None:
        # F0 would mean the feed before, however fast that was (Marlin, gcode.cpp, get_destination_from_command).
        axes = " ".join(f"{axis}{mm:.3f}".rstrip("0").rstrip(".") for axis, mm in distance_mm.items())
        self._jog_line = Ask(f"G1 {axes} F{max(feed_mm_s * 60, 1):.0f}", self._move_answered, ticket=ticket)
        self._asks.append(self._jog_line)

    def _move_answered(self, ask: Ask, now: float) -> None:
        if ask is self._jog_line:
            self._jog_line = None
        if ask.failed:
            self._plan.halt()
        if ask.ticket:
            self._events.append(CommandDone(ask.ticket, tuple(ask.lines) if ask.failed else (), not ask.failed))

    # Coming to rest

    def _stop_jog(self, now: float) -> None:
        """No move goes out any more. What is planned of a held key ends by itself; a step is broken off."""
        self._plan.halt()
        self._events += self._steps.forget("stopped before it began")
        if self._jog is not Jog.STEPPING or now >= self._steps.ends_s:
            return
        if self._can("EMERGENCY_PARSER"):
            self._urgent.append(b"M410\n")
            self._steps.ends_s = now
            self._forget_position()
            self._events.append(PositionSuspect("it was stopped in the middle of a step, without slowing down"))

    def _abandon(self, reason: str) -> None:
        """The link, the board or a person's stop ended everything."""
        self._plan.halt()
        self._events += self._steps.forget(reason)
        self._jog, self._jog_line, self._jog_due_s = Jog.NONE, None, None
        self._steps.ends_s = 0.0
        self._forget_position()
        super()._abandon(reason)


def slower(limits: JogLimits, lines: Iterable[str]) -> JogLimits:
    """The limits, lowered to what the firmware says of itself (M503)."""
    feed, accel, travel = dict(limits.feed_mm_s), dict(limits.accel_mm_s2), None
    for line in lines:
        for code, words_of in SETTING.findall(line):
            values = {axis: float(number) for axis, number in VALUE.findall(words_of) if float(number) > 0}
            if code == "M204":
                travel = values.get("T", travel)
            lowest = feed if code == "M203" else accel
            for axis in JOG_AXES if code != "M204" else ():
                if axis in values:
                    lowest[axis] = min(lowest.get(axis, values[axis]), values[axis])
    if travel is not None:
        accel = {axis: min(value, travel) for axis, value in (dict.fromkeys(AXES, travel) | accel).items()}
    return msgspec.structs.replace(limits, feed_mm_s=feed, accel_mm_s2=accel)
