"""In what the pretend boards of the Grbl family differ: greeting, `$I`, line ends, lock-out, flush, extended bytes.

Facts of the firmwares, stated anew for the pretend side; it must not know the driver, so that a wrong row in the
driver's table fails a test. Sources: gnea/grbl 1.1h; grblHAL/core 2026-08 (`protocol.c`, `report.c`); bdring/FluidNC
2026-08 (`Channel.cpp`, `Report.cpp`, `Protocol.cpp`, `RealtimeCmd.cpp`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from .simulator import GrblOptions


@dataclass(frozen=True, kw_only=True)
class Firmware:
    """Traits of one firmware; sizes are its usual ones and can be set by options."""

    name: str
    version: str
    rx_bytes: int
    planner_blocks: int
    line_chars: int
    greeting: str
    help_line: str
    build: tuple[str, ...]
    one_answer_per_crlf: bool
    rx_short_bytes: int = 0
    """How much less than its size an empty buffer tells, and holds."""
    cuts_long_lines: bool = False
    locks_after_error: bool = False
    flushes_on_cancel: bool = False
    hears_when_critical: bool = False
    deaf_while_storing: bool = False
    utf8_real_time: bool = False
    critical: frozenset[int] = frozenset({1, 2})
    homing_alarm: int = 0
    tool_change: str = "error"
    more_modes: str = ""
    speed_suffix: str = ""
    offsets_of_length: int = 1
    extra_fields: tuple[str, ...] = ()
    meaning: dict[int, str] = field(default_factory=dict)
    """Real-time bytes beyond Grbl 1.1's: `query`, `start`, `hold`, `modes`, `stop`, `macro`, or `ignored`."""


GRBL = Firmware(
    name="grbl",
    version="1.1h",
    rx_bytes=128,
    planner_blocks=16,
    line_chars=80,
    greeting="Grbl {version} ['$' for help]",
    help_line="[HLP:$$ $# $G $I $N $x=val $Nx=line $J=line $SLP $C $X $H ~ ! ? ctrl-x]",
    build=("[VER:{version}.20190830:{info}]", "[OPT:V,{blocks},{rx}]"),
    one_answer_per_crlf=False,
    deaf_while_storing=True,
)

GRBLHAL = Firmware(
    name="grblhal",
    version="1.1f",
    rx_bytes=1024,
    planner_blocks=36,
    line_chars=257,
    greeting="GrblHAL {version} ['$' or '$HELP' for help]",
    help_line="[HLP:$$ $# $G $I $N $x=val $Nx=line $J=line $SLP $C $X $H $B ~ ! ? ctrl-x]",
    build=(
        "[VER:{version}.20260817:{info}]",
        "[OPT:VNMZ,{blocks},{rx},3,0]",
        "[AXS:3:XYZ]",
        "[NEWOPT:ENUMS,RT{legacy},SED,TC]",
        "[FIRMWARE:grblHAL]",
    ),
    one_answer_per_crlf=True,
    rx_short_bytes=1,
    locks_after_error=True,
    flushes_on_cancel=True,
    hears_when_critical=True,
    critical=frozenset({1, 2, 10, 17, 20}),
    homing_alarm=11,
    tool_change="waits",
    more_modes=" G49 G98 G50",
    speed_suffix=".",
    offsets_of_length=3,
    extra_fields=("WCS:G54", "H:0", "T:0", "TLR:0", "FW:grblHAL"),
    meaning={0x80: "query", 0x81: "start", 0x82: "hold", 0x83: "modes", 0x87: "query", 0x19: "stop", 0xA3: "start"},
)

FLUIDNC = Firmware(
    name="fluidnc",
    version="3.9",
    rx_bytes=256,
    planner_blocks=16,
    line_chars=255,
    greeting="Grbl {version} [FluidNC v3.9.9 (esp32-wifi) '$' for help]",
    help_line="[HLP:$$ $+ $# $S $L $G $I $N $x=val $Nx=line $J=line $SLP $C $X $H $F $E=err ~ ! ? ctrl-x]",
    build=("[VER:{version} FluidNC v3.9.9 (esp32-wifi) :{info}]", "[OPT:PHS]", "[MSG:INFO: Machine: Simulated]"),
    one_answer_per_crlf=True,
    cuts_long_lines=True,
    hears_when_critical=True,
    utf8_real_time=True,
    critical=frozenset({1, 2, 13, 16}),
    homing_alarm=14,
    tool_change="passes",
    offsets_of_length=3,
    meaning={0x87: "macro", 0x88: "macro", 0x89: "macro", 0x8A: "macro", 0xB4: "expander"},
)

FIRMWARES = {firmware.name: firmware for firmware in (GRBL, GRBLHAL, FLUIDNC)}


def firmware_of(options: GrblOptions) -> Firmware:
    """The traits for these options. Raises UsageError for a firmware that is not simulated."""
    found = FIRMWARES.get(options.firmware)
    if found is None:
        raise UsageError(f"There is no firmware {options.firmware!r} here; it can be {', '.join(FIRMWARES)}.")
    return found


def real_time_bytes(firmware: Firmware, data: bytes) -> bytes:
    """Bytes >= 0x80 as the firmware takes them: FluidNC decodes UTF-8, and takes 0x80 to 0xBF by themselves."""
    if not firmware.utf8_real_time:
        return data
    found = bytearray()
    lead = 0
    for byte in data:
        if byte in (0xC2, 0xC3):
            lead = byte
        elif byte >= 0xC0:
            lead = 0
        elif byte >= 0x80:
            found.append(byte + (0x40 if lead == 0xC3 else 0))
            lead = 0
    return bytes(found)
