"""The firmwares that speak like Marlin and are not: RepRapFirmware, Repetier, Smoothieware, Sprinter; all by name.

Told from each firmware's own source. It must not know the driver or the engine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from .simulator_firmwares import (
    LINE_NUMBER,
    ORDER_FAULT,
    Buddy,
    Firmware,
    Marlin1,
    Marlin2,
    PrusaMk3,
    Queued,
    sum_is_right,
    without_number,
)

if TYPE_CHECKING:
    from .simulator import MarlinSimulator

CANCEL = 0x18
"""Ctrl-X, which Smoothieware's interrupt acts on."""


class RepRapFirmware(Firmware):
    """Duet boards over USB: numbers are not compared, a spoiled line is dropped without a word."""

    name = "reprapfirmware"
    options: ClassVar[dict[str, object]] = {
        "emergency_parser": False,
        "host_actions": False,
        "autoreport": False,
        "busy_s": 0.0,
        "line_bytes": 256,
        "planner_blocks": 60,
    }
    m115 = (
        "FIRMWARE_NAME: RepRapFirmware for Duet 2 WiFi/Ethernet FIRMWARE_VERSION: 3.4.5 ELECTRONICS: Duet WiFi 1.02 "
        "or later FIRMWARE_DATE: 2022-11-30 19:36:12"
    )
    busy = ""
    has_capabilities = False
    banner = ("RepRapFirmware for Duet 2 WiFi/Ethernet Version 3.4.5 is up and running.",)
    emergency = re.compile(rb"[\s]*M(112)[ ;\n](.*)")

    def judge(self, line: bytes) -> Queued | None:
        number: int | None = None
        body = line
        if line.startswith(b"N"):
            body, star, digits = line.rpartition(b"*")
            if star and not sum_is_right(body, digits):
                return None
            body = body if star else line
            found = LINE_NUMBER.match(body)
            number = int(found[1]) if found else None
            body = LINE_NUMBER.sub(b"", body, count=1).strip(b" ")
        return Queued(body.decode("latin-1"), number) if body else None

    def unknown(self, text: str) -> None:
        if text[:1] in "GMT" and text[1:2].isdigit():
            self.machine.say(f"Warning: {text.split(' ')[0]}: Command is not supported")
        else:
            self.machine.say(f"Error: Bad command: {text}")

    def stop(self) -> None:
        self.machine.halt()

    def thermal(self) -> None:
        self.machine.say("Error: Heater 1 fault: temperature excursion exceeded 15.0C (target 200.0C, actual 184.1C)")
        self.machine.halt()

    def hear_when_stopped(self, line: bytes) -> None:
        if line == b"M999":
            self.machine.reset(self.machine.now_s)


class Repetier(Firmware):
    """ok when a line was read, with its number; lines seen before are skipped; `wait` when there is nothing to do."""

    name = "repetier"
    options: ClassVar[dict[str, object]] = {
        "bufsize": 2,
        "planner_blocks": 24,
        "host_actions": False,
        "autoreport": False,
    }
    m115 = (
        "FIRMWARE_NAME:Repetier_1.0.4 COMPILED:Jan 1 2024 FIRMWARE_URL:https://github.com/repetier/Repetier-Firmware/"
        " PROTOCOL_VERSION:1.0 MACHINE_TYPE:{machine} EXTRUDER_COUNT:{tools} REPETIER_PROTOCOL:3"
    )
    has_capabilities = False
    banner = ("start", "Info:PowerUp")
    busy = "busy:"
    resend = "Resend:{n}"
    resend_ok = True
    ok_when = "read"
    wait_every_s = 1.0
    unfinished_s = 0.2
    emergency = re.compile(rb" *(?:N[-0-9 ]*)?M(108|112)(?![0-9])(.*)")

    def __init__(self, machine: MarlinSimulator) -> None:
        super().__init__(machine)
        self.to_skip = -1
        """Lines behind a requested one that may still be under way; -1 when none was requested."""

    def judge(self, line: bytes) -> Queued | None:
        machine = self.machine
        body, star, digits = line.rpartition(b"*")
        if star and not sum_is_right(body, digits):
            self.ask_again()
            return None
        body = body if star else line
        numbers = [int(each) for each in LINE_NUMBER.findall(body)] if body.startswith(b"N") else []
        if numbers and b"M110" in body:
            machine.last_number = numbers[-1]
            self.to_skip = -1
            machine.say("ok")
            return None
        if numbers and numbers[0] != machine.last_number + 1:
            self._out_of_order(numbers[0])
            return None
        self.to_skip = -1
        if numbers:
            machine.last_number = numbers[0]
        text = without_number(body) if numbers else body.decode("latin-1")
        return Queued(text, numbers[0] if numbers else None) if text else None

    def _out_of_order(self, number: int) -> None:
        machine = self.machine
        if 0 <= machine.last_number - number < 40 or self.to_skip >= 0:
            if not 0 <= machine.last_number - number < 40:
                self.to_skip -= 1
            machine.say(f"skip {number}")
            machine.say("ok")
        else:
            machine.say(f"Error:expected line {machine.last_number + 1} got {number}")
            self.ask_again()

    def ask_again(self) -> None:
        self.to_skip = 14
        self.machine.say("")
        super().ask_again()

    def unfinished(self) -> None:
        self.ask_again()

    def ok(self, command: Queued) -> str:
        return "ok" if command.number is None else f"ok {command.number}"

    def temperatures(self) -> bool:
        self.machine.say(self.machine.temperatures().lstrip())
        return False

    def unknown(self, text: str) -> None:
        self.machine.say(f"Unknown command:{text}")

    def stop(self) -> None:
        self.machine.reset(self.machine.now_s)

    def thermal(self) -> None:
        self._say_fatal()
        self.machine.halt()

    def _say_fatal(self) -> None:
        self.machine.say(
            "fatal:Heater/sensor error - Printer stopped and heaters disabled due to this error. Fix error and "
            "restart with M999."
        )

    def hear_when_stopped(self, line: bytes) -> None:
        machine = self.machine
        if b"M999" in line:
            machine.say("info:Continue from fatal state")
            machine.killed = False
        else:
            self._say_fatal()
        machine.say("ok")


class Smoothieware(Firmware):
    """`rs` without ok, G1 acknowledged before it is planned, Ctrl-X halts at once, a halted board answers `!!`."""

    name = "smoothieware"
    options: ClassVar[dict[str, object]] = {
        "emergency_parser": False,
        "host_actions": False,
        "autoreport": False,
        "busy_s": 0.0,
        "rx_bytes": 256,
        "line_bytes": 256,
        "bufsize": 1,
        "planner_blocks": 32,
    }
    m115 = (
        "FIRMWARE_NAME:Smoothieware, FIRMWARE_URL:http%3A//smoothieware.org, X-SOURCE_CODE_URL:https://github.com/"
        "Smoothieware/Smoothieware, FIRMWARE_VERSION:edge-9e5477518, PROTOCOL_VERSION:1.0, X-AXES:5, X-GRBL_MODE:0"
    )
    busy = ""
    has_capabilities = False
    banner = ("Smoothie Running @120MHz", "Smoothie", "ok")
    resend = "rs N{n}"
    resend_ok = False
    ok_when = "moves-read"
    has_emergency = False
    ok_for_empty = True

    def judge(self, line: bytes) -> Queued | None:
        machine = self.machine
        first = line[:1]
        if first.islower() or first == b"$":
            return None
        if first not in (b"G", b"M", b"T", b"S", b"N"):
            machine.say("ok - ignored")
            return None
        if first != b"N":
            return Queued(line.decode("latin-1"), None)
        body, star, digits = line.rpartition(b"*")
        body = body if star else line
        found = LINE_NUMBER.match(body)
        number = int(found[1]) if found else 0
        if b"M110" in body:
            machine.last_number = number
            machine.say("ok")
            return None
        if (star and not sum_is_right(body, digits)) or number != machine.last_number + 1:
            self.ask_again()
            return None
        machine.last_number = number
        return Queued(without_number(body), number)

    def position(self, report: str) -> bool:
        self.machine.say("ok C: " + report.partition(" Count")[0])
        return True

    def unknown(self, text: str) -> None:
        """It says nothing about a command that no module knows."""

    def stop(self) -> None:
        machine = self.machine
        machine.say("ok Emergency Stop Requested - reset or M999 required to exit HALT state")
        machine.halt()

    def halted_by_byte(self) -> None:
        """Ctrl-X, seen by the interrupt."""
        self.machine.say("HALTED, M999 or $X to exit HALT state")
        self.machine.halt()

    def thermal(self) -> None:
        self.machine.say(
            "ERROR: Temperature runaway on T (delta temp 21.500000), HALT asserted, TURN POWER OFF IMMEDIATELY - "
            "reset or M999 required"
        )
        self.machine.halt()

    def hear_when_stopped(self, line: bytes) -> None:
        machine = self.machine
        if b"M999" not in line:
            machine.say("!!")
            return
        machine.say("WARNING: After HALT you should HOME as position is currently unknown")
        machine.say("ok")
        machine.killed = False


class Sprinter(Firmware):
    """The ancestor: G0 and G1 acknowledged when read, no M112, no keep-alive, a colon ends a line."""

    name = "sprinter"
    options: ClassVar[dict[str, object]] = {
        "emergency_parser": False,
        "host_actions": False,
        "autoreport": False,
        "busy_s": 0.0,
        "bufsize": 6,
    }
    m115 = "FIRMWARE_NAME: Sprinter Experimental PROTOCOL_VERSION:1.0 MACHINE_TYPE:Mendel EXTRUDER_COUNT:1"
    busy = ""
    has_capabilities = False
    banner = ("start",)
    resend = "Resend:{n}"
    resend_ok = True
    ok_when = "moves-read"
    has_emergency = False
    colon_ends_line = True

    def _early(self, line: bytes) -> bool:
        if b"*" in line:
            self.machine.say(f"Error: No Line Number with checksum, Last Line:{self.machine.last_number}")
            return False
        return True

    def _complain(self, what: str) -> None:
        serial = "Serial Error" if what == ORDER_FAULT else "Error"
        self.machine.say(f"{serial}: {what}, Last Line:{self.machine.last_number}")
        self.ask_again()

    def unknown(self, text: str) -> None:
        self.machine.say("Unknown command:")
        self.machine.say(text)

    def stop(self) -> None:
        """There is no M112."""
        self.unknown("M112")


FIRMWARES: dict[str, type[Firmware]] = {
    kind.name: kind for kind in (Marlin2, Marlin1, Buddy, PrusaMk3, RepRapFirmware, Repetier, Smoothieware, Sprinter)
}
"""What the option `firmware` may name."""
