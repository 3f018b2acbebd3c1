"""Spindle speeds, and whether the controller's laser mode suits the program."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding, SpindleUse
from fleetctl.gcode.writers import LASER_WRITERS
from fleetctl.model.profile import Process, Profile, Setup
from fleetctl.preflight.rule import CUTTERS, finding, rule


@rule(
    "FQ003",
    "Faster than the spindle turns",
    "error",
    "The controller gives the greatest speed it has without a word, and the feed no longer suits the tool.",
    CUTTERS,
)
def spindle(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """The spindle (or laser) is not asked for more than it has."""
    use = analysis.spindle
    if use is None:
        return
    if profile.spindle_max_rpm is not None and use.max_s > profile.spindle_max_rpm:
        yield finding(
            "FQ003",
            "error",
            use.max_line,
            f"The program asks for {use.max_s:g} rpm; this spindle reaches {profile.spindle_max_rpm:g} rpm.",
            "Post-process again for this machine.",
            use.max_column,
        )
    elif setup.spindle_max_rpm is not None and use.max_s > setup.spindle_max_rpm:
        laser = profile.process is Process.LASER
        yield finding(
            "FQ003",
            "warning" if laser else "error",
            use.max_line,
            f"The program asks for S{use.max_s:g}; full {'power' if laser else 'speed'} is "
            f"S{setup.spindle_max_rpm:g} on this controller ($30), which gives no more.",
            "Post-process again with the controller's $30.",
            use.max_column,
        )


@rule(
    "FQ025",
    "Laser mode does not suit the program",
    "error",
    "A laser without laser mode burns while it travels; a mill with laser mode loses its spindle at every rapid.",
    CUTTERS,
)
def laser_mode(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """The controller's laser mode ($32) is what machine and program need."""
    use = analysis.spindle
    if use is None:
        return
    if profile.process is Process.LASER:
        yield from _on_a_laser(analysis, use, setup)
        return
    if setup.laser_mode:
        yield finding(
            "FQ025",
            "error",
            use.on_line,
            "The controller is in laser mode ($32=1): it does not wait for the spindle and stops it at rapids.",
            "Set $32=0 on the controller and enter it in the machine's set-up.",
        )
    if analysis.process == "laser":
        said = analysis.slicer.startswith(LASER_WRITERS)
        yield finding(
            "FQ025",
            "error" if said else "warning",
            use.on_line,
            f"This {'is' if said else 'looks like'} a program for a laser; the machine has a spindle.",
            "Send it to a laser.",
        )


def _on_a_laser(analysis: Analysis, use: SpindleUse, setup: Setup) -> Iterator[Finding]:
    if setup.laser_mode is False:
        yield finding(
            "FQ025",
            "error",
            use.on_line,
            "The controller is not in laser mode ($32=0): the beam stays on in rapids and while power changes.",
            "Set $32=1 on the controller and enter it in the machine's set-up.",
        )
    elif setup.laser_mode is None and use.power_on_rapid_line:
        yield finding(
            "FQ025",
            "warning",
            use.power_on_rapid_line,
            "This rapid moves with the laser on; only laser mode ($32=1) keeps the beam off, and nobody said so.",
            "Look at $32 and enter it in the machine's set-up.",
        )
    elif setup.laser_mode is None and use.dynamic_power_line:
        yield finding(
            "FQ025",
            "warning",
            use.dynamic_power_line,
            "M4 lowers the power with the speed, and is dark at standstill, only in laser mode ($32=1); whether that "
            "is on nobody said, so how this burns is not provable.",
            "Look at $32 and enter it in the machine's set-up.",
        )
    if analysis.process == "subtractive":
        yield finding(
            "FQ025",
            "warning",
            analysis.first_work_line,
            "This looks like a program for a mill: it works at several depths.",
            "Make sure that it was made for a laser.",
        )
