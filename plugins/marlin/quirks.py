"""How the firmwares of the family differ, as a table: one row each, chosen by what M115 says.

Facts only; what is done about them is the engine's. A row says what was read in that firmware's own source, named in
`source`. A firmware that no row names gets `UNKNOWN`, which trusts nothing that could cost a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class ResendOk(Enum):
    """Whether `Resend: n` is followed by an `ok` that acknowledges no line."""

    ALWAYS = auto()
    NEVER = auto()
    EITHER = auto()
    """By version, or by chance: Marlin 1.1 and Buddy say it when the oldest line of the queue wants an ok."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """One firmware.

    named_by: lower-case beginnings of FIRMWARE_NAME; the longest that fits wins.
    checks_order: a line out of order is not executed but asked for again. Only then does the answer to a later line
        prove that the earlier ones arrived; without it a lost acknowledgement cannot be told from a lost line.
    taken_is_ok: `ok` comes when a line was read, before it is executed, and what the line has to say comes later.
    ok_names_line: the number in `ok 12` is that of the acknowledged line and can be believed. ADVANCED_OK's N is not:
        it was another line's once (Marlin issue 2952), and OctoPrint's virtual printer names the last line it read.
    trusts_room: the B of ADVANCED_OK may widen the window, up to what the receive ring holds in any case.
    keep_alive: says `busy:` while one command lasts long. Without it silence proves nothing for minutes.
    planner_depth: lines acknowledged and perhaps not executed: planner blocks, and the queue where taken is ok.
    line_max_bytes: the line buffer with its closing zero. receive_bytes: what the receive ring holds unread.
    stop: what goes out for an emergency stop besides M112, plain and numbered.
    clear: the line that makes it listen again after a stop or alarm; empty where only a reset does.
    quoted_text: what stands in " " is text, and `;` begins no comment there.
    boots_when_stopped: M112 resets the board, so that its banner confirms the stop.
    reports: asks for automatic reports where no capability says so.
    slow, waits_for_person: commands besides those of `words` that take minutes, or wait for somebody.
    """

    name: str
    source: str
    named_by: tuple[str, ...] = ()
    checks_order: bool = True
    resend_ok: ResendOk = ResendOk.EITHER
    taken_is_ok: bool = False
    ok_names_line: bool = False
    trusts_room: bool = False
    keep_alive: bool = True
    planner_depth: int = 16
    line_max_bytes: int = 96
    receive_bytes: int = 127
    stop: bytes = b""
    clear: str = "M999 S1"
    quoted_text: bool = False
    boots_when_stopped: bool = False
    reports: tuple[str, ...] = ()
    reports_temperature: bool = False
    reports_position: bool = False
    slow: frozenset[bytes] = frozenset()
    waits_for_person: frozenset[bytes] = frozenset()


UNKNOWN = Quirks(
    name="unknown",
    source="nothing is known, so nothing is believed",
    checks_order=False,
    keep_alive=False,
)
"""A firmware nobody has described. It earns `checks_order` when it asks for a line by number."""

ROWS: tuple[Quirks, ...] = (
    Quirks(
        name="Marlin 2",
        named_by=("marlin 2", "marlin bugfix-2", "marlin"),
        # queue.cpp: until 2.0.6 `ok_to_send` follows the request, then only `Resend`, and since 2.0.9 always an `ok`
        # (seen with 2.0.9.7 and 2.1.2.5). Configuration_adv.h:
        # BLOCK_BUFFER_SIZE 16, BUFSIZE 4, MAX_CMD_SIZE 96, RX_BUFFER_SIZE 128, of which one byte stays free
        # (MarlinSerial.h).
        source="MarlinFirmware/Marlin 2.0.x: queue.cpp, e_parser.h, M115.cpp, host_actions.cpp",
        trusts_room=True,
    ),
    Quirks(
        name="Marlin 1",
        named_by=("marlin 1", "marlin bugfix-1", "marlin v1", "th3d", "creality"),
        # Marlin_main.cpp of 1.1: FlushSerialRequestResend ends with ok_to_send, which is silent when the head of the
        # queue wants none. It has no ADVANCED_OK that could be trusted for more than one line.
        source="MarlinFirmware/Marlin 1.1: Marlin_main.cpp",
    ),
    Quirks(
        name="Prusa Buddy",
        named_by=("prusa-firmware-buddy",),
        # lib/Marlin queue.cpp: flush_and_request_resend ends with ok_to_send. M112 counts only as a plain line.
        # Configuration_MK4_adv.h: BLOCK_BUFFER_SIZE 32, BUFSIZE 8, neither EMERGENCY_PARSER nor ADVANCED_OK.
        source="prusa3d/Prusa-Firmware-Buddy: lib/Marlin/Marlin/src/gcode/queue.cpp, src/marlin_stubs/host/M115.cpp",
        planner_depth=32,
        clear="",
        waits_for_person=frozenset({b"M701", b"M702"}),
    ),
    Quirks(
        name="Prusa MK3",
        named_by=("prusa-firmware",),
        # Marlin_main.cpp: FlushSerialRequestResend prints `Resend: n` and `ok` in one go; Cap:AUTOREPORT_POSITION;
        # M155 C is a mask (1 temperatures, 4 position). cmdqueue.cpp: M112 counts with and without a number; a full
        # receive ring is emptied (`Full RX Buffer`), an unfinished line is dropped after 2 s (`RX timeout`), both
        # without a request. power_panic.cpp: `INT4`.
        source="prusa3d/Prusa-Firmware: Firmware/cmdqueue.cpp, Marlin_main.cpp, messages.cpp, power_panic.cpp",
        resend_ok=ResendOk.ALWAYS,
        clear="",
        reports=("M155 S2 C5",),
        reports_temperature=True,
        reports_position=True,
        slow=frozenset({b"G80", b"G81", b"M45", b"M46", b"M48", b"G76", b"M861", b"M860"}),
        waits_for_person=frozenset({b"M701", b"M702"}),
    ),
    Quirks(
        name="RepRapFirmware",
        named_by=("reprapfirmware",),
        # StringParser.cpp: numbers are read and not compared; a line with a bad checksum is dropped without a word.
        # GCodeInput.cpp: a plain M112 at the start of a line is acted on while it is received. GCodes.cpp: `ok` after
        # the command in Marlin mode; errors are `Error: ...` followed by `ok`. GCodes2.cpp: M999 resets.
        source="Duet3D/RepRapFirmware 3: StringParser.cpp, GCodeInput.cpp, GCodes.cpp, GCodes2.cpp",
        checks_order=False,
        resend_ok=ResendOk.NEVER,
        keep_alive=False,
        planner_depth=60,
        line_max_bytes=256,
        quoted_text=True,
        clear="M999",
        boots_when_stopped=False,
        slow=frozenset({b"M98", b"M116", b"M577", b"M36"}),
        waits_for_person=frozenset({b"M291", b"M226", b"M25"}),
    ),
    Quirks(
        name="Repetier",
        named_by=("repetier",),
        # gcode.cpp: checkAndPushCommand says `ok <number>` when the line is put into the buffer; requestResend says
        # an empty line, `Resend:<n>`, `ok`; a line seen before is answered `skip <n>`, `ok`; an unfinished line
        # brings a request after 200 ms; `wait` each second while the buffer is empty. Commands.cpp: emergencyStop
        # resets or hangs. Configuration.h: EMERGENCY_PARSER 1, PRINTLINE_CACHE_SIZE 24. gcode.h: MAX_CMD_SIZE 96.
        source="repetier/Repetier-Firmware 1.0: gcode.cpp, Commands.cpp, Communication.cpp, Configuration.h",
        resend_ok=ResendOk.ALWAYS,
        taken_is_ok=True,
        ok_names_line=True,
        planner_depth=26,
        clear="M999",
        boots_when_stopped=True,
    ),
    Quirks(
        name="Smoothieware",
        named_by=("smoothieware",),
        # GcodeDispatch.cpp: `rs N<n>` without ok; G1 is acknowledged before it is planned; a word it does not know is
        # `ok - ignored`; an empty line is `ok` too; M112 waits in the queue, halted it answers `!!` to every line.
        # USBSerial.cpp: 0x18 halts at once. Robot.cpp: M114 is `ok C: X:...`.
        source="Smoothieware/Smoothieware: GcodeDispatch.cpp, USBSerial.cpp, Robot.cpp",
        resend_ok=ResendOk.NEVER,
        keep_alive=False,
        planner_depth=33,
        line_max_bytes=128,
        receive_bytes=255,
        stop=b"\x18",
        clear="M999",
    ),
    Quirks(
        name="Sprinter",
        named_by=("sprinter",),
        # Sprinter.pde: FlushSerialRequestResend says `Resend:<n>` and `ok`; G0 and G1 are acknowledged when read, six
        # lines deep; a colon ends a line; there is no M112, no M108 and no M999; heating says bare `T:` lines.
        source="kliment/Sprinter: Sprinter.pde, Configuration.h",
        resend_ok=ResendOk.ALWAYS,
        keep_alive=False,
        planner_depth=22,
        clear="",
    ),
    Quirks(
        name="Klipper",
        named_by=("klipper",),
        # klippy/gcode.py: number and checksum are cut off and not looked at; errors are `!! ...` followed by `ok`.
        source="Klipper: klippy/gcode.py",
        checks_order=False,
        resend_ok=ResendOk.NEVER,
        keep_alive=False,
        line_max_bytes=4096,
        clear="FIRMWARE_RESTART",
    ),
)


def quirks_of(facts: Mapping[str, str]) -> Quirks:
    """The row for what M115 answered (`words.firmware_facts`), by `firmware_name`."""
    name = facts.get("firmware_name", "").strip().lower()
    fitting = [(len(start), row) for row in ROWS for start in row.named_by if name.startswith(start)]
    if fitting:
        return max(fitting, key=lambda found: found[0])[1]
    # Forks put their own name first and leave Marlin's behind it ("Virtual Marlin 1.0", "Ender-3 (Marlin 2.0.8)").
    return MARLIN_1 if "marlin" in name else UNKNOWN


MARLIN_1 = next(row for row in ROWS if row.name == "Marlin 1")
