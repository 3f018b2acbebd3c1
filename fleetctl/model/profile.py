"""What a model of machine is (profile) and what is on it now (set-up), and the hash of both (I2)."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

import msgspec


class Process(StrEnum):
    """How the machine makes parts."""

    ADDITIVE = "additive"
    SUBTRACTIVE = "subtractive"
    LASER = "laser"


class Envelope(msgspec.Struct, frozen=True):
    """Least and greatest reachable machine coordinates, mm."""

    least_mm: tuple[float, float, float]
    greatest_mm: tuple[float, float, float]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A model of machine. Temperatures in degC, feeds in mm/s, accelerations in mm/s2; None means unknown.

    `tool_change`: what happens at M6. `none`: the controller answers with an error (plain Grbl, error:20); `manual`:
    it stops until a person has changed the tool; `automatic`: it changes by itself. `extruders`: how many of T0, T1
    and so on a printer has. `macros`: upper-case names of commands that its own configuration adds (Klipper).
    """

    name: str
    title: str
    process: Process
    dialect: str
    envelope: Envelope | None
    nozzle_max_degc: float | None = None
    bed_max_degc: float | None = None
    chamber_max_degc: float | None = None
    spindle_max_rpm: float | None = None
    max_feed_mm_s: tuple[float, float, float] | None = None
    max_accel_mm_s2: tuple[float, float, float] | None = None
    tool_change: Literal["none", "manual", "automatic"] | None = None
    extruders: int | None = None
    macros: tuple[str, ...] = ()
    line_max_bytes: int = 96
    heat_off_after_paused_s: float = 600.0
    heat_off_after_idle_s: float = 600.0
    """How long heaters or spindle may be on without a run that works (preheated by hand, waiting for cycle start)."""
    baud: int | None = None
    """Speed of its serial port; None when models differ: then the driver finds it."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What is on the machine now; None or empty means that nobody said.

    Offsets are work offsets in machine coordinates, mm, by name (G54..G59.3); G28 and G30 are the places that a
    controller has stored for those words. `stock_top_mm`: Z of the top of the
    stock as it is clamped now, in the coordinates of each work offset. `tools`: what is in, a number first where
    programs name it (`3 6 mm end mill`). `laser_mode`: Grbl's $32. `spindle_max_rpm`: Grbl's $30, the S at full
    speed (rpm) or full power of a laser.
    """

    material: str = ""
    nozzle_mm: float | None = None
    tools: tuple[str, ...] = ()
    offsets_mm: dict[str, tuple[float, float, float]] = {}
    tool_lengths_mm: dict[int, float] = {}
    """By number in the tool table: what G43 H adds to Z, mm."""
    firmware: str = ""
    stock_top_mm: dict[str, float] = {}
    filament_diameter_mm: float | None = None
    laser_mode: bool | None = None
    spindle_max_rpm: float | None = None


def configuration_hash(profile: Profile, setup: Setup) -> str:
    """SHA-256 over profile and set-up in a canonical form: what a preflight pass is bound to (I2).

    It covers profile, firmware facts, tool table, offsets, nozzle and material kind; not temperatures or
    remaining grams, which change while a machine works.
    """
    plain = msgspec.to_builtins((profile, setup), str_keys=True)  # an order is only given to keys that are text
    text = msgspec.json.encode(plain, order="deterministic")
    return hashlib.sha256(text).hexdigest()


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="generic-220",
            title="Marlin printer, 220 x 220 x 250 mm",
            process=Process.ADDITIVE,
            dialect="marlin",
            envelope=Envelope((0.0, 0.0, 0.0), (220.0, 220.0, 250.0)),
            nozzle_max_degc=260.0,
            bed_max_degc=110.0,
            max_feed_mm_s=(300.0, 300.0, 10.0),
            max_accel_mm_s2=(1500.0, 1500.0, 100.0),
            extruders=1,
        ),
        Profile(
            name="generic-300",
            title="Marlin printer, 300 x 300 x 400 mm",
            process=Process.ADDITIVE,
            dialect="marlin",
            envelope=Envelope((0.0, 0.0, 0.0), (300.0, 300.0, 400.0)),
            nozzle_max_degc=260.0,
            bed_max_degc=110.0,
            max_feed_mm_s=(300.0, 300.0, 10.0),
            max_accel_mm_s2=(1500.0, 1500.0, 100.0),
            extruders=1,
        ),
        Profile(
            name="generic-mill-3018",
            title="Grbl mill, 300 x 180 x 45 mm",
            process=Process.SUBTRACTIVE,
            dialect="grbl",
            envelope=Envelope((-300.0, -180.0, -45.0), (0.0, 0.0, 0.0)),
            spindle_max_rpm=10000.0,
            max_feed_mm_s=(33.3, 33.3, 13.3),
            max_accel_mm_s2=(30.0, 30.0, 30.0),
            tool_change="none",
            line_max_bytes=79,
        ),
        Profile(
            name="generic-mill-grblhal",
            title="grblHAL mill, 300 x 180 x 45 mm",
            process=Process.SUBTRACTIVE,
            dialect="grblhal",
            envelope=Envelope((-300.0, -180.0, -45.0), (0.0, 0.0, 0.0)),
            spindle_max_rpm=10000.0,
            max_feed_mm_s=(33.3, 33.3, 13.3),
            max_accel_mm_s2=(30.0, 30.0, 30.0),
            tool_change="manual",
            line_max_bytes=256,
        ),
        Profile(
            name="generic-mill-fluidnc",
            title="FluidNC mill, 300 x 180 x 45 mm",
            process=Process.SUBTRACTIVE,
            dialect="fluidnc",
            envelope=Envelope((-300.0, -180.0, -45.0), (0.0, 0.0, 0.0)),
            spindle_max_rpm=10000.0,
            max_feed_mm_s=(33.3, 33.3, 13.3),
            max_accel_mm_s2=(30.0, 30.0, 30.0),
            tool_change="manual",
            line_max_bytes=254,
        ),
    )
}
"""The profiles that come with fleetctl, by name. Marlin's line limit is MAX_CMD_SIZE 96; Grbl 1.1 keeps 79
significant characters of its 80-byte line buffer (gnea/grbl, config.h and protocol.c), grblHAL 256 (protocol.h) and
FluidNC 254 (Channel.h)."""
