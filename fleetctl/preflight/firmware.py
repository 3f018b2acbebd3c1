"""What each firmware understands and how its lines are limited, as data. Facts only; judging them is the rules'.

Sources, read in 2026: gnea/grbl 1.1h (doc/markdown/commands.md, gcode.c, protocol.c); MarlinFirmware/Marlin 2.1
(gcode.cpp); Klipper3d/klipper (docs/G-Codes.md, klippy/gcode.py); Duet3D/RepRapFirmware 3.5 (GCodes2.cpp,
Configuration.h); Smoothieware (Robot.cpp and its pages); grblHAL/core of 2026-08 (gcode.c); bdring/FluidNC of
2026-08 (GCode.cpp, Channel.cpp); LinuxCNC 2.9 (docs: gcode/overview, g-code, m-code).
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Firmware(msgspec.Struct, frozen=True, kw_only=True):
    """One firmware. Words are as in `Analysis.words`: `G1`, `G38.2`, `M104`, `T` for any tool word.

    `known`: None where nothing is checked. `checks_m`: M words are in `known` too, else only G words are checked.
    `optional`: words, of any kind, that only some builds or machines have. `refused`: what a word does that no
    program may do, to follow the word. `letters`: parameter letters that it answers with an error.
    `stops_on_unknown`: an unknown word is an error that ends the run. `extended`: the names of its own commands, None
    where there are none. `takes_star`: it reads `*` as the checksum that a host means.
    """

    title: str
    accepts: frozenset[str]
    known: frozenset[str] | None = None
    checks_m: bool = False
    optional: frozenset[str] = frozenset()
    refused: dict[str, str] = {}
    letters: frozenset[str] = frozenset()
    stops_on_unknown: bool = False
    extended: frozenset[str] | None = None
    takes_star: bool = True
    counts: Literal["code", "numbered", "raw", "nothing"] = "code"
    """What of a line counts against its buffer: the code without blanks and comments, the line with number and
    checksum as a host sends it, the line as it stands in the file, or nothing."""
    line_most_bytes: int | None = None
    """Where the profile does not decide, because no driver of ours cuts lines for it."""
    cuts_long_lines: bool = False
    """A longer line is cut off without a word, and what is left is carried out."""
    realtime: str = ""
    """Which bytes it acts on at once wherever they stand, in words; empty: none."""
    refuses_feed_zero: bool = False

    @property
    def plain(self) -> frozenset[str]:
        """Words about which there is nothing to say."""
        return (self.known or frozenset()) - self.optional - self.refused.keys()


def _words(letter: str, numbers: str) -> frozenset[str]:
    return frozenset(letter + number for number in numbers.split())


_T = frozenset({"T"})
_OTHER_PATH = "makes this firmware move in a way that the program's facts do not hold"
_CARD = "prints from or writes to the machine's own card, which nobody has checked"
_CARD_WORDS = dict.fromkeys(("M23", "M24", "M26", "M28", "M29", "M30", "M32", "M928"), _CARD)
_SHIFTS = "shifts where coordinates lead"
_PRINTER_REFUSED = _CARD_WORDS | {
    "M290": _SHIFTS,  # babysteps
    "M81": "switches the machine off",
    "M997": "replaces the firmware",
    "M42": "switches a pin directly",
}

_MODES = "keeps modes or brings them back (units, G90 or G91), which the program's facts do not follow"
_MODES_KEPT = dict.fromkeys(("M70", "M71", "M72", "M73"), _MODES)

_GRBL_REALTIME = "? (report), ! (hold), ~ (start), Ctrl-X (reset) and every byte from 0x80 (door, overrides, coolant)"

MARLIN = Firmware(
    title="Marlin",
    accepts=frozenset({"marlin"}),
    # With a levelled bed: the switch over G codes. An unknown M is answered `echo:Unknown command` and passed over.
    known=_words("G", "0 1 2 3 4 20 21 28 29 90 91 92") | _T,
    # Words that it knows only when built with their option (Configuration_adv.h).
    optional=_words("G", "10 11 12 17 26 27 30 31 32 33 34 35 38.2 38.3 38.4 38.5 42 60 61 76 80"),
    refused=_PRINTER_REFUSED
    | dict.fromkeys(("G5", "G6", "G18", "G19"), _OTHER_PATH)
    | dict.fromkeys((f"M{number}" for number in range(810, 820)), _OTHER_PATH)
    | dict.fromkeys(("M218", "M851"), _SHIFTS),  # places of the second nozzle and of the probe
    counts="numbered",
)

# The modules of Klipper's own tree; a name that is none of these is a macro of the machine's configuration.
_KLIPPER_NAMES = (
    "ACTIVATE_EXTRUDER BED_MESH_CALIBRATE BED_MESH_CLEAR BED_MESH_OFFSET BED_MESH_OUTPUT BED_MESH_PROFILE "
    "BED_SCREWS_ADJUST BED_TILT_CALIBRATE CLEAR_PAUSE CANCEL_PRINT DELTA_CALIBRATE DISPLAY_DATA "
    "EXCLUDE_OBJECT EXCLUDE_OBJECT_DEFINE EXCLUDE_OBJECT_END EXCLUDE_OBJECT_START GET_POSITION "
    "GET_RETRACTION HELP MANUAL_PROBE PAUSE PID_CALIBRATE PROBE PROBE_ACCURACY PROBE_CALIBRATE "
    "QUAD_GANTRY_LEVEL QUERY_ADC QUERY_ENDSTOPS QUERY_FILAMENT_SENSOR QUERY_PROBE RESPOND "
    "RESTORE_GCODE_STATE RESUME SAVE_GCODE_STATE SCREWS_TILT_CALCULATE SDCARD_LOOP_BEGIN "
    "SDCARD_LOOP_DESIST SDCARD_LOOP_END SET_DISPLAY_GROUP SET_DISPLAY_TEXT SET_DUAL_CARRIAGE "
    "SET_EXTRUDER_ROTATION_DISTANCE SET_FAN_SPEED SET_FILAMENT_SENSOR SET_GCODE_VARIABLE "
    "SET_HEATER_TEMPERATURE SET_IDLE_TIMEOUT SET_INPUT_SHAPER SET_LED SET_LED_TEMPLATE SET_PIN "
    "SET_PRESSURE_ADVANCE SET_PRINT_STATS_INFO SET_RETRACTION SET_SERVO SET_SKEW SET_STEPPER_ENABLE "
    "SET_TEMPERATURE_FAN_TARGET SET_TMC_CURRENT SET_TMC_FIELD SET_VELOCITY_LIMIT SKEW_PROFILE STATUS "
    "SYNC_EXTRUDER_MOTION TEMPERATURE_WAIT TURN_OFF_HEATERS UPDATE_DELAYED_GCODE Z_TILT_ADJUST"
)
KLIPPER = Firmware(
    title="Klipper",
    accepts=frozenset({"klipper"}),
    known=_words("G", "0 1 4 21 28 90 91 92")
    | _words("M", "18 82 83 84 104 105 106 107 109 110 112 114 115 119 140 190 204 220 221 400")
    | _T,
    checks_m=True,
    # Each needs its section: gcode_arcs, firmware_retraction, display_status, respond, virtual_sdcard.
    optional=_words("G", "2 3 10 11 17 18 19") | _words("M", "20 21 25 27 73 117 118"),
    refused={
        **_PRINTER_REFUSED,
        "G20": "is answered with an error: Klipper has no inches",
        "SAVE_CONFIG": "writes the machine's configuration and restarts it",
        "RESTART": "restarts the machine",
        "FIRMWARE_RESTART": "restarts the machine",
        "SDCARD_PRINT_FILE": _CARD,
        "SDCARD_RESET_FILE": _CARD,
        "FORCE_MOVE": "moves a motor past the machine's own limits",
        "MANUAL_STEPPER": "moves a motor that the program's facts do not hold",
        "SET_KINEMATIC_POSITION": "tells the machine that it stands somewhere else",
        "SET_GCODE_OFFSET": _SHIFTS,
    },
    extended=frozenset(_KLIPPER_NAMES.split()),
    counts="nothing",
    refuses_feed_zero=True,
)

RRF = Firmware(
    title="RepRapFirmware",
    accepts=frozenset({"rrf"}),
    # An unknown G or M runs sys/Gnn.g of the machine, if it is there.
    known=_words(
        "G", "0 1 2 3 4 10 11 17 18 19 20 21 28 29 30 31 32 38.2 38.3 38.4 38.5 53 54 55 56 57 58 59 59.1 59.2 59.3 "
        "60 90 91 92 93 94"
    ) | _T,
    refused={key: why for key, why in _PRINTER_REFUSED.items() if key != "M42"}
    | dict.fromkeys(("G68", "G69"), _OTHER_PATH)
    | dict.fromkeys(("M556", "M569", "M579", "M584", "M669"), "changes which motors move, which way and how far")
    | {"M143": "changes at which temperature the machine protects itself"},
    # Its own "meta commands" (manual, GCode meta commands); the core says which of them make a path unprovable.
    extended=frozenset({"IF", "ELIF", "ELSE", "WHILE", "BREAK", "CONTINUE", "ABORT", "VAR", "GLOBAL", "SET", "ECHO"}),
    line_most_bytes=255,
)  # fmt: skip

SMOOTHIE = Firmware(
    title="Smoothieware",
    accepts=frozenset({"smoothie"}),
    known=_words(
        "G", "0 1 2 3 4 10 11 17 18 19 20 21 28 29 30 31 32 38.2 38.3 38.4 38.5 53 54 55 56 57 58 59 59.1 59.2 59.3 "
        "90 91 92 92.1"
    ) | _T,
    refused=_PRINTER_REFUSED,
    counts="numbered",
)  # fmt: skip

GRBL = Firmware(
    title="Grbl 1.1",
    accepts=frozenset({"grbl", "grblhal", "fluidnc", "linuxcnc"}),
    # M1 is accepted and ignored. M7 needs ENABLE_M7, which is off. M6 is FQ019's; T is stored and nothing more.
    known=_words(
        "G",
        "0 1 2 3 4 10 17 18 19 20 21 28 28.1 30 30.1 38.2 38.3 38.4 38.5 40 43.1 49 53 54 55 56 57 58 59 61 80 90 91 "
        "91.1 92 92.1 93 94",
    )
    | _words("M", "0 1 2 3 4 5 8 9 30"),
    checks_m=True,
    letters=frozenset("ABCDEHOQUVW"),
    stops_on_unknown=True,
    takes_star=False,
    realtime=_GRBL_REALTIME,
)

_HAL_G = (
    "0 1 2 3 4 10 17 18 19 20 21 28 28.1 30 30.1 38.2 38.3 38.4 38.5 40 43 43.1 43.2 49 53 54 55 56 57 58 59 61 "
    "73 80 81 82 83 85 86 89 90 91 91.1 92 92.1 92.2 92.3 93 94 98 99"
)

GRBLHAL = Firmware(
    title="grblHAL",
    accepts=frozenset({"grbl", "grblhal", "fluidnc", "linuxcnc"}),
    known=_words("G", _HAL_G) | _words("M", "0 1 2 3 4 5 8 9 30 48 49 50 51 53 60 61"),
    checks_m=True,
    # Lathe builds, the table of tools, macros, outputs and further offsets are compile-time or driver options.
    optional=_words("G", "5 5.1 7 8 33 50 51 59.1 59.2 59.3 64 67 76 84 95 96 97")
    | _words("M", "7 56 62 63 64 65 66 67 68 99"),
    refused=_MODES_KEPT
    | dict.fromkeys(("G65", "G66", "M98"), "runs a macro or another file, which the program's facts do not hold"),
    letters=frozenset("ABCUVW"),
    stops_on_unknown=True,
    takes_star=False,
    realtime=_GRBL_REALTIME + "; 0x81 and Cyrillic or accented letters that hold it are cycle start",
)

FLUIDNC = Firmware(
    title="FluidNC",
    accepts=frozenset({"grbl", "grblhal", "fluidnc", "linuxcnc"}),
    known=_words(
        "G",
        "0 1 2 3 4 10 17 18 19 20 21 28 28.1 30 30.1 38.2 38.3 38.4 38.5 40 43.1 49 53 54 55 56 57 58 59 59.1 59.2 "
        "59.3 61 80 90 91 91.1 92 92.1 93 94",
    )
    | _words("M", "0 1 2 3 5 8 9 30"),
    checks_m=True,
    # M4 needs a spindle that turns back or laser mode; M7, outputs and M56 what the configuration file names.
    optional=_words("M", "4 7 56 61 62 63 64 65 66 67 68"),
    letters=frozenset("ABCDHUVW"),
    stops_on_unknown=True,
    takes_star=False,
    cuts_long_lines=True,
    realtime=_GRBL_REALTIME
    + "; it decodes UTF-8, so a no-break space (U+00A0) switches coolant and an acute accent (U+00B4) is an alarm",
)

LINUXCNC = Firmware(
    title="LinuxCNC",
    accepts=frozenset({"grbl", "linuxcnc"}),
    known=_words(
        "G",
        "0 1 2 3 4 5 5.1 5.2 5.3 7 8 10 17 17.1 18 18.1 19 19.1 20 21 28 28.1 30 30.1 33 33.1 38.2 38.3 38.4 38.5 "
        "40 41 41.1 42 42.1 43 43.1 43.2 49 52 53 54 55 56 57 58 59 59.1 59.2 59.3 61 61.1 64 70 71 72 73 74 76 80 "
        "81 82 83 84 85 86 87 88 89 90 90.1 91 91.1 92 92.1 92.2 92.3 93 94 95 96 97 98 99",
    )
    | _words("M", "0 1 2 3 4 5 7 8 9 19 30 48 49 50 51 52 53 60 61 62 63 64 65 66 67 68 98 99"),
    checks_m=True,
    optional=frozenset(f"M{number}" for number in range(100, 200)),
    refused=_MODES_KEPT,
    letters=frozenset("ABCUVW"),
    stops_on_unknown=True,
    takes_star=False,
    counts="raw",
    line_most_bytes=255,
)

FIRMWARES: dict[str, Firmware] = {
    "marlin": MARLIN,
    "klipper": KLIPPER,
    "rrf": RRF,
    "smoothie": SMOOTHIE,
    "grbl": GRBL,
    "grblhal": GRBLHAL,
    "fluidnc": FLUIDNC,
    "linuxcnc": LINUXCNC,
}
"""By the dialect of the machine's profile."""

PLAIN: dict[str, frozenset[str]] = {name: firmware.plain for name, firmware in FIRMWARES.items()}
"""By dialect: words about which there is nothing to say, so that a check is one difference of sets."""


def firmware_of(dialect: str) -> Firmware:
    """The firmware of a profile's dialect; one that nobody described accepts only its own programs."""
    return FIRMWARES.get(dialect) or Firmware(title=dialect, accepts=frozenset({dialect}))
