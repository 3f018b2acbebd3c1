"""What the pretend Marlin does with each command that is not motion: heat, waits, questions, the end of a plate.

It must not know the link: lines come in whole and checked, and the answer `ok` is the caller's.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from fleetctl.sim.heat import Heater
from fleetctl.sim.machine import Task, Wait

from .simulator_motion import Motion, Words

if TYPE_CHECKING:
    from .simulator import MarlinSimulator

Handler = Callable[[Words], "Task | None"]

CODE = re.compile(r"([GMT])\s*(\d+)")
WORD = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))?")

TIMED = re.compile(r"([PS])(\d+(?:\.\d*)?)\Z")
UNLOADING_S = 25.0
PURGING_S = 17.0
"""100 mm out at 10 mm/s with its preparation, and 50 mm in at 3 mm/s (Configuration_adv.h, defaults)."""

PLATE_LEAST_MM = 1.0
HOTEND_MOST_DEGC = 285.0
BED_MOST_DEGC = 120.0
WINDOW_DEGC = 1.0
ROUNDING_DEGC = 0.01

ACCEPTED = frozenset(
    f"M{number}"
    for number in (
        *(73, 75, 76, 92, 117, 145, 200, 205, 207, 208, 209, 211, 217, 281, 300, 301, 304, 355, 412, 413),
        *(420, 425, 486, 500, 501, 502, 569, 575, 592, 593, 851, 900, 906, 907),
    )
)
"""Settings and display: taken with an `ok` and without an effect that a host could see."""


class Commands:
    """One method per command, named `_m104`; a method that takes time returns a task."""

    def __init__(self, machine: MarlinSimulator) -> None:
        self.machine = machine
        self.motion = Motion(machine)
        self.tool = 0
        self._handlers: dict[str, Handler] = {}
        for owner in (self.motion, self):
            for name in dir(owner):
                if re.fullmatch(r"_[gm]\d+", name):
                    self._handlers[name[1:].upper()] = getattr(owner, name)

    def run(self, text: str) -> Task | None:
        """Carry out one command. None: done at once; a task: it takes time."""
        found = CODE.match(text)
        name = f"{found[1]}{int(found[2])}" if found else ""
        handler = self._handlers.get(name)
        if found is not None and handler is not None:
            words: Words = {
                letter: float(number) if number else None for letter, number in WORD.findall(text, found.end())
            }
            return handler(words)
        if found is not None and name == "M118":
            self._speak(text[found.end() :].strip())
        elif found is not None and name in ("M0", "M1"):
            return self._wait_for_person(name, text[found.end() :].strip())
        elif found is not None and found[1] == "T":
            self._change_tool(int(found[2]))
        elif name not in ACCEPTED:
            self.machine.firmware.unknown(text)
        return None

    def spoil(self) -> None:
        """What was being made will not become a part."""
        self.motion.since_plate_mm = 0.0

    # Heat

    def _m104(self, words: Words) -> None:
        if (target_degc := words.get("S")) is not None and (heater := self._hotend(words)) is not None:
            heater.set_target(min(target_degc, HOTEND_MOST_DEGC), self.machine.now_s)

    def _m109(self, words: Words) -> Task | None:
        heater = self._hotend(words)
        return None if heater is None else self._heat(heater, words, HOTEND_MOST_DEGC)

    def _m140(self, words: Words) -> None:
        if (target_degc := words.get("S")) is not None:
            self.machine.bed.set_target(min(target_degc, BED_MOST_DEGC), self.machine.now_s)

    def _m190(self, words: Words) -> Task | None:
        return self._heat(self.machine.bed, words, BED_MOST_DEGC)

    def _hotend(self, words: Words) -> Heater | None:
        index = int(words.get("T") or self.tool)
        if index < len(self.machine.hotends):
            return self.machine.hotends[index]
        self.machine.say(f"echo:M104 Invalid extruder {index}")
        return None

    def _heat(self, heater: Heater, words: Words, most_degc: float) -> Task | None:
        """S waits only while heating up, R also while cooling down."""
        both_ways = words.get("R") is not None and words.get("S") is None
        target_degc = words.get("R") if both_ways else words.get("S")
        if target_degc is None:
            return None
        heater.set_target(min(target_degc, most_degc), self.machine.now_s)
        target_degc = heater.target_degc
        if not both_ways and heater.temperature(self.machine.now_s) >= target_degc:
            return None
        return self._wait_for_heat(heater, target_degc, both_ways)

    def _wait_for_heat(self, heater: Heater, target_degc: float, both_ways: bool) -> Task:
        """Report every second; done once the window held for the residency time, or by M108."""
        machine = self.machine
        machine.heat_wait_broken = False
        low_degc, high_degc = target_degc - WINDOW_DEGC, target_degc + WINDOW_DEGC if both_ways else 1e9
        report_s = machine.now_s + 1
        inside_s: float | None = None
        while not machine.heat_wait_broken:
            now_degc = heater.temperature(machine.now_s)
            if inside_s is None and low_degc - ROUNDING_DEGC <= now_degc <= high_degc + ROUNDING_DEGC:
                inside_s = machine.now_s
            if inside_s is not None:
                due_s: float | None = inside_s + machine.options.residency_s
                if machine.now_s >= inside_s + machine.options.residency_s:
                    return
            else:
                due_s = heater.reaches_at_s(low_degc, high_degc)
            if machine.now_s >= report_s:
                left = "?" if inside_s is None else f"{inside_s + machine.options.residency_s - machine.now_s:.0f}"
                machine.say(f"{machine.temperatures()} W:{left}")
                report_s += 1
            wake_s = report_s if due_s is None or due_s <= machine.now_s else min(report_s, due_s)
            yield Wait(lambda: machine.heat_wait_broken, at_s=wake_s)

    def _m106(self, words: Words) -> None:
        speed = words.get("S")
        self.machine.fan = 255 if speed is None else int(min(max(speed, 0), 255))

    def _m107(self, words: Words) -> None:
        self.machine.fan = 0

    # Waits and ends

    def _g4(self, words: Words) -> Task:
        seconds = (words.get("P") or 0.0) / 1000 + (words.get("S") or 0.0)
        yield self.motion.drained()
        yield Wait(lambda: False, at_s=self.machine.now_s + seconds)

    def _m400(self, words: Words) -> Task:
        yield self.motion.drained()

    def _wait_for_person(self, name: str, text: str) -> Task:
        """M0 and M1: wait for a person (M108, or the answer M876), with P or S for so long at most. The question is
        not taken back when the wait is over (Marlin, M0_M1.cpp)."""
        machine = self.machine
        timed = TIMED.match(text)
        until_s = machine.now_s + float(timed[2]) * (0.001 if timed[1] == "P" else 1.0) if timed else None
        yield self.motion.drained()
        if text and timed is None:
            machine.say(f"echo:{text}")
        self._ask_person(text if text and timed is None else f"{name} Stop", "Continue")
        machine.busy_text = "paused for user"
        machine.person_waited_for = True
        yield Wait(lambda: not machine.person_waited_for, at_s=until_s)
        machine.person_waited_for = False

    def _ask_person(self, text: str, *buttons: str) -> None:
        """A question for the host to show; the one before is taken back first (Marlin, host_actions.cpp)."""
        if self.machine.options.host_actions:
            named = [f"button {button}" for button in buttons]
            for step in ("end", f"begin {text}", *named, "show"):
                self.machine.say(f"//action:prompt_{step}")

    def _m302(self, words: Words) -> None:
        """Allow cold extrusion, or from which temperature on it is allowed."""
        if words.get("P") is not None or words.get("S") is not None:
            self.motion.cold_degc = 0.0 if words.get("P") else words.get("S") or 0.0

    def _m600(self, words: Words) -> Task:
        """Change the filament (Marlin, pause.cpp): it pauses and unloads by itself, with a text that asks nothing;
        waits for a person, loads and purges, and asks whether that was enough."""
        machine = self.machine
        if machine.options.host_actions:
            machine.say("//action:paused")
        self._ask_person("Pause", "Dismiss")
        yield self.motion.drained()
        yield Wait(lambda: False, at_s=machine.now_s + UNLOADING_S)
        machine.say("echo:Insert filament and send M108")
        self._ask_person("Nozzle Parked", "Continue")
        machine.busy_text = "paused for user"
        machine.person_waited_for = True
        yield Wait(lambda: not machine.person_waited_for)
        while True:
            machine.busy_text = "processing"
            yield Wait(lambda: False, at_s=machine.now_s + PURGING_S)
            if not machine.options.host_actions:
                break
            self._ask_person("Paused", "PurgeMore", "Continue")
            machine.busy_text = "paused for user"
            machine.person_waited_for = True
            machine.person_answer = -1  # M108 does not answer this one
            yield Wait(lambda: machine.person_answer >= 0)
            if machine.person_answer:
                break
        if machine.options.host_actions:
            machine.say("//action:resumed")
        self._ask_person("Resuming", "Dismiss")

    def _m84(self, words: Words) -> Task:
        yield self.motion.drained()
        if self.motion.since_plate_mm >= PLATE_LEAST_MM:
            self.machine.make_parts()
        self.motion.since_plate_mm = 0.0

    _m18 = _m84
    _m77 = _m84

    def _m108(self, words: Words) -> None:
        """Acted on by the emergency parser; by the time it is run nothing waits any more."""

    def _m112(self, words: Words) -> None:
        self.machine.firmware.stop()

    def _m410(self, words: Words) -> None:
        self.machine.quick_stop()

    def _m876(self, words: Words) -> None:
        if words.get("S") is not None:
            self.machine.person_waited_for = False

    def _m999(self, words: Words) -> None:
        """Take moves again after `stop`; without S also asks for the lines that were refused."""
        self.machine.stopped = False
        if not words.get("S"):
            self.machine.firmware.ask_again()

    # The link and questions

    def _m110(self, words: Words) -> None:
        if (number := words.get("N")) is not None:
            self.machine.last_number = int(number)

    def _m105(self, words: Words) -> None:
        self.machine.ok_said = self.machine.firmware.temperatures()

    def _m113(self, words: Words) -> None:
        if not self.machine.firmware.busy:
            self.machine.firmware.unknown("M113")
        elif (seconds := words.get("S")) is None:
            self.machine.say(f"echo:M113 S{self.machine.busy_s:.0f}")
        else:
            self.machine.busy_s = max(0.0, seconds)

    def _m114(self, words: Words) -> None:
        self.machine.ok_said = self.machine.firmware.position(self.motion.report())

    def _m27(self, words: Words) -> None:
        every_s = words.get("S")
        if every_s is not None and self.machine.options.card_reports:
            self.machine.report_card_every(min(max(every_s, 0.0), 60.0))
        else:
            self.machine.say(self.machine.firmware.card())

    def _m115(self, words: Words) -> None:
        machine, options = self.machine, self.machine.options
        identity = options.board_uuid or str(uuid.uuid5(uuid.NAMESPACE_URL, f"fleetctl:simulated:{machine.seed}"))
        text = machine.firmware.m115
        machine.say(text.format(machine=options.machine_type, tools=options.tools, uuid=identity))
        if machine.firmware.has_capabilities:
            for name, value in machine.firmware.capabilities().items():
                machine.say(f"Cap:{name}:{value:d}")

    def _m119(self, words: Words) -> None:
        self.machine.say("Reporting endstop status")
        for index, name in enumerate(("x_min", "y_min", "z_min")):
            hit = self.machine.position_mm[index] <= 0.0
            self.machine.say(f"{name}: {'TRIGGERED' if hit else 'open'}")

    def _m155(self, words: Words) -> None:
        if self.machine.options.autoreport:
            self.machine.report_every(min(max(words.get("S") or 0.0, 0.0), 60.0))
            # Prusa's mask of what is reported: 4 is the position.
            self.machine.reports_position = int(words.get("C") or 0) & 4 != 0
        else:
            self.machine.firmware.unknown("M155")

    def _m154(self, words: Words) -> None:
        """Report the position too, as often as the temperatures."""
        if self.machine.options.autoreport_position:
            self.machine.reports_position = bool(words.get("S"))
        else:
            self.machine.firmware.unknown("M154")

    def _m503(self, words: Words) -> None:
        motion = self.motion
        self.machine.say("echo:; Linear Units:")
        self.machine.say("echo:  G21 ; (mm)")
        self.machine.say("echo:; Max feedrates (units/s):")
        named = zip("XYZE", motion.axis_speed, strict=True)
        self.machine.say("echo:  M203 " + " ".join(f"{axis}{value:.2f}" for axis, value in named))
        self.machine.say("echo:; Max Acceleration (units/s2):")
        named = zip("XYZE", motion.axis_accel, strict=True)
        self.machine.say("echo:  M201 " + " ".join(f"{axis}{value:.2f}" for axis, value in named))
        self.machine.say("echo:; Acceleration (units/s2) (P<print-accel> R<retract-accel> T<travel-accel>):")
        print_mm_s2, retract_mm_s2, travel_mm_s2 = motion.accel_print, motion.accel_retract, motion.accel_travel
        self.machine.say(f"echo:  M204 P{print_mm_s2:.2f} R{retract_mm_s2:.2f} T{travel_mm_s2:.2f}")

    def _speak(self, text: str) -> None:
        """M118: `E1` asks for `echo:`, `A1` for `// `."""
        prefix = ""
        while text[:2] in ("E1", "A1", "P0", "P1", "P2", "P3"):
            prefix = {"E": "echo:", "A": "// "}.get(text[0], prefix)
            text = text[2:].lstrip()
        self.machine.say(prefix + text)

    def _change_tool(self, index: int) -> None:
        if index < len(self.machine.hotends):
            self.tool = index
        else:
            self.machine.say(f"echo:T{index} Invalid extruder")
