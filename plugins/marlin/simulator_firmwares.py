"""The manners of the firmwares that the pretend board can have: how each judges a line, answers, and stops.

These are Marlin and Prusa's two; the rest is in `simulator_kin`. Told from each firmware's own source, and apart from
the driver's table of quirks, so that the two check each other. What a command does is in `simulator_commands`. It
must not know the driver or the engine.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from .simulator import MarlinSimulator

LINE_NUMBER = re.compile(rb"N\s*(-?\d+)")
SUM_FAULT = "checksum mismatch"
ORDER_FAULT = "Line Number is not Last Line Number+1"
NO_SUM_FAULT = "No Checksum with line number"


class Queued(NamedTuple):
    """A command in the firmware's queue. `silent`: put there by the firmware itself; nobody gets an ok for it."""

    text: str
    number: int | None
    silent: bool = False


class Firmware:
    """Marlin 2, and what the others differ from. `options` are defaults of `MarlinOptions` that this firmware has."""

    name = "marlin2"
    options: ClassVar[dict[str, object]] = {}
    m115 = (
        "FIRMWARE_NAME:Marlin 2.1.2 (simulated) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin "
        "PROTOCOL_VERSION:1.0 MACHINE_TYPE:{machine} EXTRUDER_COUNT:{tools} UUID:{uuid}"
    )
    has_capabilities = True
    banner: tuple[str, ...] = (
        "start",
        "echo:Marlin 2.1.2 (simulated)",
        "echo: Last Updated: 2024-01-01 | Author: (none, default config)",
        "echo: Free Memory: 4096  PlannerBufferBytes: 1520",
        "echo:Hardcoded Default Settings Loaded",
    )
    busy = "echo:busy: "
    resend = "Resend: {n}"
    resend_ok: bool | None = None
    """None: as the option `resend_ok` says."""
    ok_when = "done"
    """`done`: after the command; `read`: as soon as the line is read; `moves-read`: G0 and G1 as soon as they are."""
    wait_every_s = 0.0
    unfinished_s = 0.0
    """A line that has begun and does not go on is dropped after this long; 0 keeps it."""
    emergency = re.compile(rb" *(?:N[-0-9 ]*)?M(108|112|410|876)(?![0-9])(.*)")
    """What the interrupt picks out of the stream, where there is one."""
    has_emergency = True
    ignores_repeats = False
    """A line numbered as the last one taken, or the one before, is dropped in silence (since 2.1.2, queue.cpp)."""
    drops_backslash = False
    ok_for_empty = False
    colon_ends_line = False

    def __init__(self, machine: MarlinSimulator) -> None:
        self.machine = machine

    # Lines in

    def judge(self, line: bytes) -> Queued | None:
        """Check number and sum. None: nothing to queue; what had to be said was said."""
        machine = self.machine
        if not line.startswith(b"N"):
            return Queued(line.decode("latin-1"), None) if self._early(line) else None
        renumbers = b"M110" in line
        second = line.find(b"N", 4) if renumbers else -1
        found = LINE_NUMBER.match(line, max(0, second))
        number = int(found[1]) if found else 0
        if number != machine.last_number + 1 and not renumbers:
            if self.ignores_repeats and machine.last_number - 1 <= number <= machine.last_number:
                return None
            self._complain(ORDER_FAULT)
            return None
        body, star, digits = line.rpartition(b"*")
        if not star:
            self._complain(NO_SUM_FAULT)
            return None
        if not sum_is_right(body, digits):
            self._complain(SUM_FAULT)
            return None
        machine.last_number = number
        return Queued(without_number(body), number)

    def _early(self, line: bytes) -> bool:
        """Critical commands without an emergency parser: a line that begins with M. Whether it is still queued."""
        machine = self.machine
        if not machine.options.emergency_parser and (found := Firmware.emergency.match(line)):
            machine.act_on_emergency(found[1], found[2])
        return not machine.killed

    def _complain(self, what: str) -> None:
        self.machine.say(f"Error:{what}, Last Line: {self.machine.last_number}")
        self.ask_again()

    def ask_again(self) -> None:
        """Throw away what waits in the receive ring and ask for the line after the last good one."""
        machine = self.machine
        machine.drop_ring()
        machine.resends += 1
        machine.say(self.resend.format(n=machine.last_number + 1))
        if machine.options.resend_ok if self.resend_ok is None else self.resend_ok:
            machine.say(self.request_ok())

    def request_ok(self) -> str:
        """The ok that belongs to a request."""
        return "ok"

    def unfinished(self) -> None:
        """A line was begun and not finished."""

    def ring_is_full(self) -> None:
        """Bytes arrive and the receive ring has no room."""

    # Answers

    def ok(self, command: Queued) -> str:
        """The acknowledgement of a command."""
        options = self.machine.options
        if not options.advanced_ok:
            return "ok"
        named = "" if command.number is None else f" N{command.number}"
        return f"ok{named} P{self.machine.planner.free} B{options.bufsize - self.machine.queued}"

    def position(self, report: str) -> bool:
        """Answer M114; True when the ok was in it."""
        self.machine.say(report)
        return False

    def temperatures(self) -> bool:
        """Answer M105; True when the ok was in it."""
        self.machine.say(f"ok{self.machine.temperatures()}")
        return True

    def unknown(self, text: str) -> None:
        """A command it does not have."""
        self.machine.say(f'echo:Unknown command: "{text}"')

    def capabilities(self) -> dict[str, bool]:
        """What M115 claims."""
        options = self.machine.options
        return {
            "SERIAL_XON_XOFF": False,
            "EEPROM": False,
            "AUTOREPORT_POS": options.autoreport_position,
            "AUTOREPORT_TEMP": options.autoreport,
            "PROGRESS": False,
            "PRINT_JOB": True,
            "AUTOLEVEL": True,
            "LEVELING_DATA": False,
            "BUILD_PERCENT": False,
            "EMERGENCY_PARSER": options.emergency_parser,
            "HOST_ACTION_COMMANDS": options.host_actions,
            "PROMPT_SUPPORT": options.host_actions,
            "SDCARD": options.card,
            "AUTOREPORT_SD_STATUS": options.card_reports,
            "ARCS": True,
            "THERMAL_PROTECTION": True,
            "BABYSTEPPING": False,
        }

    def card(self) -> str:
        """What M27 says: paused is told as not printing (cardreader.cpp, report_status)."""
        machine = self.machine
        prints = machine.prints_from_card and not machine.card_paused
        return "SD printing byte 100/2000" if prints else "Not SD printing"

    # Stops

    def stop(self) -> None:
        """M112."""
        self.machine.kill("M112 Shutdown", prefix="echo:")

    def thermal(self) -> None:
        """A heater does not do as it should."""
        self.machine.kill("Thermal Runaway, system stopped! Heater_ID: 0")

    def hear_when_stopped(self, line: bytes) -> None:
        """A line to a board that was stopped."""


class Marlin2(Firmware):
    """Marlin 2.1.2 and later; seen with a host build of 2.1.2.5."""

    ignores_repeats = True
    drops_backslash = True


class Marlin1(Firmware):
    """Marlin 1.1: the ok behind a request is the queue's, with ADVANCED_OK under a number of its own; two-line
    errors."""

    name = "marlin1"
    options: ClassVar[dict[str, object]] = {"emergency_parser": False}
    drops_backslash = True
    m115 = (
        "FIRMWARE_NAME:Marlin 1.1.9 (Github) SOURCE_CODE_URL:https://github.com/MarlinFirmware/Marlin "
        "PROTOCOL_VERSION:1.0 MACHINE_TYPE:{machine} EXTRUDER_COUNT:{tools} "
        "UUID:cede2a2f-41a2-4748-9b12-c55c62f367ff"
    )

    def stop(self) -> None:
        self.machine.kill()

    def request_ok(self) -> str:
        machine = self.machine
        return self.ok(Queued("", machine.last_number)) if machine.options.advanced_ok else "ok"

    def capabilities(self) -> dict[str, bool]:
        """It has a card and does not know the capability that says so."""
        return {name: value for name, value in super().capabilities().items() if name != "SDCARD"}


class Buddy(Firmware):
    """Prusa's 32-bit boards: the ok behind a request comes when the head of the queue wants one, so by chance."""

    name = "prusa-buddy"
    drops_backslash = True
    options: ClassVar[dict[str, object]] = {
        "emergency_parser": False,
        "bufsize": 8,
        "planner_blocks": 32,
        "line_bytes": 96,
    }
    m115 = (
        "FIRMWARE_NAME:Prusa-Firmware-Buddy 6.1.2+7894 (Github) SOURCE_CODE_URL:https://github.com/prusa3d/"
        "Prusa-Firmware-Buddy PROTOCOL_VERSION:1.0 MACHINE_TYPE:Prusa-MK4 EXTRUDER_COUNT:{tools} UUID:{uuid}"
    )

    def ask_again(self) -> None:
        self.resend_ok = self.machine.resends % 2 == 0
        super().ask_again()


class PrusaMk3(Firmware):
    """Prusa's 8-bit boards: M112 with a number too, a full ring is emptied, an unfinished line is dropped."""

    name = "prusa-mk3"
    options: ClassVar[dict[str, object]] = {"emergency_parser": False, "host_actions": False}
    m115 = (
        "FIRMWARE_NAME:Prusa-Firmware 3.14.1 based on Marlin FIRMWARE_URL:https://github.com/prusa3d/Prusa-Firmware "
        "PROTOCOL_VERSION:1.0 MACHINE_TYPE:Prusa i3 MK3S EXTRUDER_COUNT:1 "
        "UUID:00000000-0000-0000-0000-000000000000"
    )
    banner = ("start", "echo: 3.14.1-8237", "echo: Last Updated: Sep 1 2024 | Author: (none, default config)")
    resend_ok = True
    unfinished_s = 2.0

    def judge(self, line: bytes) -> Queued | None:
        command = super().judge(line)
        if command is not None and command.text == "M112":
            self.stop()
            return None
        return command

    def _early(self, line: bytes) -> bool:
        if b"*" in line:
            self._complain("No Line Number with checksum")
            return False
        return True

    def card(self) -> str:
        machine = self.machine
        return "SD print paused" if machine.prints_from_card and machine.card_paused else super().card()

    def unfinished(self) -> None:
        self.machine.say("RX timeout")

    def ring_is_full(self) -> None:
        self.machine.drop_ring()
        self.machine.say("Full RX Buffer")

    def capabilities(self) -> dict[str, bool]:
        return {
            "AUTOREPORT_TEMP": True,
            "AUTOREPORT_FANS": True,
            "AUTOREPORT_POSITION": True,
            "EXTENDED_M20": True,
            "PRUSA_MMU2": True,
        }


def sum_is_right(body: bytes, digits: bytes) -> bool:
    """Whether the digits behind the star are the exclusive or of all before it."""
    return digits.strip().isdigit() and int(digits) == reduce(xor, body, 0)


def without_number(body: bytes) -> str:
    """The command behind its line number."""
    return LINE_NUMBER.sub(b"", body, count=1).strip(b" ").decode("latin-1")
