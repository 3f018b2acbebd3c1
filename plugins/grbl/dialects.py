"""The firmwares of the Grbl family as data: one row each, every difference that the engine acts on, with its source.

It must not know the state of a link or a run. The engine starts as Grbl 1.1, whose rules are the narrowest (smallest
buffer, shortest line, no extended bytes), and takes the row that banner and `$I` name; see `recognised`.

Sources, all read in 2026: gnea/grbl 1.1h (`serial.c`, `protocol.c`, `report.c`, doc/markdown); grblHAL/core of
2026-08 (`protocol.c`, `report.c`, `grbl.h`); bdring/FluidNC of 2026-08 (`Channel.cpp`, `Protocol.cpp`, `Report.cpp`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from . import numbers


@dataclass(frozen=True, slots=True)
class Signs:
    """Real-time bytes. They are taken out of the stream on arrival, are not counted and get no `ok`."""

    query: bytes = b"?"
    hold: bytes = b"!"
    start: bytes = b"~"
    reset: bytes = b"\x18"
    jog_cancel: bytes = b"\x85"
    spindle_stop: bytes = b"\x9e"
    """Toggles the spindle, in a feed hold only; cycle start brings it back."""


LEGACY = Signs()
EXTENDED = Signs(query=b"\x80", hold=b"\x82", start=b"\x81")
"""grblHAL's own, which work inside comments and `$` lines too; to be used when `$I` says `RT-` (grbl.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One firmware.

    name: as in `Profile.dialect`. firmware: what it calls itself, and what a person reads.
    marks: what in a banner or in `$I` only it says; none for Grbl 1.1, as which others greet too.
    rx_told_by: where its receive buffer is read: `[OPT:..,blocks,bytes]` of `$I`, or `Bf:` of a report at rest.
    bf_short_bytes: how much less than that an empty buffer tells in `Bf:`.
    bf_is_exact: bytes outside the buffer that `Bf:` tells belong to the one line being carried out.
    line_most_bytes: the longest line without its end. long_line: what happens to a longer one.
    crlf_answers: how many answers a line gets that ends with both CR and LF.
    locks_after_error: after an `error:` every G-code line is answered with the same error until an empty line, a `$`
    line or a reset.
    cancel_flushes: 0x85 empties the receive buffer in any state; what was in it is never answered.
    deaf_while_storing: it hears nothing while it writes its settings memory, real-time bytes included.
    tool_change: what M6 does when it gets there.
    states: words of its reports. deaf_alarms: what it accepts nothing after but a reset.
    answers_when_deaf: it answers `?` then. keeps_position: alarms after which it still knows where it stands.
    auto_report: the setting that makes it report by itself; `?` may then be ignored.
    echo: how it can be made to send lines back as it read them.
    switching: settings that say how many seconds spindle on, spindle off and coolant on are waited for; the state is
    Idle meanwhile. hidden_switching_s: how long at most, where no setting says it.
    """

    name: str
    firmware: str
    marks: tuple[str, ...]
    rx_told_by: Literal["opt", "bf"]
    bf_short_bytes: int = 0
    bf_is_exact: bool
    rx_default_bytes: int = 128
    line_most_bytes: int
    long_line: Literal["refused", "cut"]
    crlf_answers: int
    locks_after_error: bool
    cancel_flushes: bool
    deaf_while_storing: bool
    tool_change: Literal["error", "tool state", "passed over"]
    states: frozenset[str]
    deaf_alarms: frozenset[int]
    answers_when_deaf: bool
    keeps_position: frozenset[int] = frozenset({2, 4, 5})
    auto_report: str = ""
    echo: str = ""
    switching: tuple[str, ...] = ()
    hidden_switching_s: float = 0.0
    alarms: Mapping[int, str]
    errors: Mapping[int, str]

    def alarm_text(self, number: int) -> str:
        """What `ALARM:n` means, with its number."""
        return f"ALARM:{number} ({self.alarms.get(number, f'unknown to {self.firmware}')})"

    def error_text(self, number: int) -> str:
        """What `error:n` means, with its number."""
        return f"error:{number} ({self.errors.get(number, f'unknown to {self.firmware}')})"


_STATES = frozenset({"Idle", "Run", "Hold", "Jog", "Alarm", "Door", "Check", "Home", "Sleep"})

GRBL = Dialect(
    name="grbl",
    firmware="Grbl",
    marks=(),
    # RX_BUFFER_SIZE 128, in `[OPT:V,15,128]`. What does not fit is dropped without a word (serial.c).
    rx_told_by="opt",
    bf_is_exact=True,
    # LINE_BUFFER_SIZE 80 holds the closing zero too; spaces and comments do not count, but are never sent.
    line_most_bytes=79,
    long_line="refused",
    # CR and LF each end a line (protocol.c): the second one is empty, and answered too (grbl/grbl issue 982).
    crlf_answers=2,
    # Lines behind a refused one are carried out (grbl/grbl issue 740).
    locks_after_error=False,
    # Only in state Jog (serial.c, CMD_JOG_CANCEL).
    cancel_flushes=False,
    # An AVR switches interrupts off for each byte it writes (eeprom.c, interface.md "EEPROM Issues").
    deaf_while_storing=True,
    tool_change="error",  # error:20 (gcode.c)
    states=_STATES,
    deaf_alarms=frozenset({1, 2}),  # "[MSG:Reset to continue]" (protocol.c)
    answers_when_deaf=False,
    echo="build option REPORT_ECHO_LINE_RECEIVED",
    alarms=numbers.GRBL_ALARMS,
    errors=numbers.GRBL_ERRORS,
)

GRBLHAL = Dialect(
    name="grblhal",
    firmware="grblHAL",
    # COMPATIBILITY_LEVEL 0; at level 1 and above it greets as Grbl 1.1 and only `$I` tells (report.c).
    marks=("GrblHAL ", "[FIRMWARE:grblHAL]"),
    # `[OPT:VN,35,1024,3,0]`: 1024 by default, the driver's own figure elsewhere (254 seen: gsender issue 917).
    rx_told_by="opt",
    bf_short_bytes=1,  # stream.h: room is the size less one, less what is queued
    bf_is_exact=True,
    line_most_bytes=256,  # LINE_BUFFER_SIZE 257 (protocol.h); comments count
    long_line="refused",
    crlf_answers=1,  # a second end right behind the first is passed over (protocol.c)
    locks_after_error=True,  # COMPATIBILITY_LEVEL 0 (protocol.c, gc_state.last_error)
    cancel_flushes=True,  # hal.stream.cancel_read_buffer() in any state (protocol.c)
    deaf_while_storing=False,
    tool_change="tool state",
    states=_STATES | {"Tool"},
    deaf_alarms=frozenset({1, 2, 10, 17, 20}),  # alarm_is_critical (alarms.h)
    answers_when_deaf=True,
    auto_report="$481",
    echo="build option REPORT_ECHO_LINE_RECEIVED",
    switching=("$394", "$539", "$673"),  # settings.h; spindle_control.c, coolant_control.c
    alarms=numbers.GRBLHAL_ALARMS,
    errors=numbers.GRBLHAL_ERRORS,
)

FLUIDNC = Dialect(
    name="fluidnc",
    firmware="FluidNC",
    # `Grbl 3.9 [FluidNC v3.9.1 (esp32-wifi) '$' for help]` by default; the text can be changed, `$I` cannot.
    marks=("[FluidNC ", " FluidNC "),
    # `[OPT:PHSRW]` has no numbers. Room is 256 bytes less what is queued (Channel.h), 512 over Bluetooth.
    rx_told_by="bf",
    bf_is_exact=False,  # one line may be complete and waiting while another is carried out (Protocol.cpp)
    line_most_bytes=254,  # maxLine 255 with its closing zero (Channel.h)
    long_line="cut",  # further characters are dropped and the rest is carried out (Channel.cpp, lineComplete)
    crlf_answers=1,  # Channel.cpp, lineComplete
    locks_after_error=False,
    cancel_flushes=False,  # only in state Jog (RealtimeCmd.cpp)
    deaf_while_storing=False,
    tool_change="passed over",  # unless its spindle has a tool changer (GCode.cpp)
    states=_STATES | {"Starting"},
    deaf_alarms=frozenset({1, 2, 13, 16}),  # state Critical (Protocol.cpp, protocol_do_alarm)
    answers_when_deaf=True,
    auto_report="$Report/Interval",
    echo="$GCode/Echo=ON",
    hidden_switching_s=60.0,  # spinup_ms and spindown_ms of its configuration, 60000 at most (Spindle.h)
    alarms=numbers.FLUIDNC_ALARMS,
    errors=numbers.FLUIDNC_ERRORS,
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (GRBL, GRBLHAL, FLUIDNC)}
"""By name, as in `Profile.dialect`."""


def is_banner(line: bytes) -> bool:
    """Does a controller of this family greet here?"""
    return line.startswith((b"Grbl ", b"GrblHAL "))


def recognised(told: Iterable[str]) -> Dialect:
    """Whose words these are: a banner and the lines of `$I`. Grbl 1.1 when nothing says otherwise."""
    for line in told:
        for dialect in (GRBLHAL, FLUIDNC):
            if any(mark in line for mark in dialect.marks):
                return dialect
    return GRBL


def signs_of(dialect: Dialect, told: Iterable[str]) -> Signs:
    """Which real-time bytes to use: `RT-` in grblHAL's `[NEWOPT:..]` says that `?!~` may count as text."""
    if dialect is not GRBLHAL:
        return LEGACY
    options = [line[len("[NEWOPT:") : -1].split(",") for line in told if line.startswith("[NEWOPT:")]
    return EXTENDED if any("RT-" in found for found in options) else LEGACY
