"""Tool lengths that only the machine knows make frames of their own, and preflight adds what is on record."""

from __future__ import annotations

import msgspec
import pytest

from fleetctl.gcode import Analysis, analyze
from fleetctl.model.profile import PROFILES, Setup
from fleetctl.preflight.envelope import envelope as rule

MILL = msgspec.structs.replace(PROFILES["generic-mill-3018"], dialect="linuxcnc")
TEXT = "G21 G90 G54\nG0 X-9 Y-9 Z-5\nG43 H3 Z-2\nG1 X-5 F100\nG43 H4\nG0 Z-1\nG49 G0 Z-9\n"


def mill(text: str) -> Analysis:
    return analyze(text.encode(), dialect="linuxcnc")


def test_each_length_is_a_frame_of_its_own() -> None:
    facts = mill(TEXT)
    assert {(frame.frame, frame.length_offset) for frame in facts.frames} == {("G54", None), ("G54", 3), ("G54", 4)}
    z = facts.frame("G54", 3).motion.z
    assert (z.low_mm, z.high_mm, z.low_line) == (-2.0, -2.0, 3)
    assert facts.frame("G54", 3).motion.x is None
    assert facts.frame("G54").motion.x.high_mm == -5.0


def test_the_loaded_tool_gives_its_length() -> None:
    assert mill("T7 M6 G43\nG0 Z1\n").frame("G54", 7) is not None
    assert mill("M61 Q5\nG43 H0\nG0 Z1\n").frame("G54", 5) is not None
    unknown = mill("G43\nG0 Z1\n")
    assert unknown.hazards["length_unknown"].line == 1
    assert [frame.frame for frame in unknown.frames] == ["start"]


def test_a_length_that_the_program_writes_is_known() -> None:
    facts = mill("G10 L1 P3 Z20\nG43 H3\nG0 Z1\nG43.2 H3\nG0 Z1\n")
    assert [(frame.frame, frame.length_offset) for frame in facts.frames] == [("G54", None)]
    assert facts.frame("G54").motion.z.high_mm == 41.0
    added = mill("G43.1 Z2\nG43.2 H3\nG0 Z1\n").frame("G54", 3)
    assert added is not None and added.motion.z.high_mm == 3.0
    assert "length_unknown" in mill("G43 H1\nG43.2 H2\nG0 Z1\n").hazards


def test_switching_back_finds_the_same_frame() -> None:
    facts = mill("G43 H1\nG0 Z1\nG55\nG0 Z2\nG54\nG0 Z3\n")
    assert facts.frame("G54", 1).motion.z.high_mm == 3.0
    assert facts.frame("G55", 1).motion.z.high_mm == 2.0


def test_preflight_adds_the_length_on_record() -> None:
    envelope = rule.check
    facts = mill(TEXT)
    fits = Setup(offsets_mm={"G54": (0.0, 0.0, -20.0)}, tool_lengths_mm={3: 10.0, 4: 20.0})
    assert not list(envelope(facts, MILL, fits))
    missing = list(envelope(facts, MILL, msgspec.structs.replace(fits, tool_lengths_mm={3: 10.0})))
    assert [(finding.code, finding.line) for finding in missing] == [("FQ001", 6)]
    assert "length of tool 4" in missing[0].message
    long = list(envelope(facts, MILL, msgspec.structs.replace(fits, tool_lengths_mm={3: 30.0, 4: 20.0})))
    assert len(long) == 1 and "8.000 mm" in long[0].message and long[0].line == 3


def test_an_origin_that_the_program_writes_is_a_place_of_the_machine() -> None:
    facts = mill("G90\nG10 L2 P1 X-50 Y-40\nG0 X5 Y5 Z1\n")
    assert facts.frame("machine").motion.x.high_mm == -45.0
    assert facts.frame("G54").motion.z.high_mm == 1.0
    moved = mill("G90\nG0 X10\nG10 L20 P1 X0\nG0 X5\n")
    assert moved.frame("G54").motion.x.high_mm == pytest.approx(15.0)


def test_what_an_earlier_program_left_is_not_known() -> None:
    facts = mill("G90\nG0 X1\nG92.3\nG0 X5\n")
    assert facts.hazards["offset_unknown"].line == 3
    assert facts.frame("start").motion.x.high_mm == 5.0
