"""The compiled core and the slow reference reading agree on every generated program."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fleetctl.gcode import DIALECTS, MotionLimits
from fleetctl.gcode.analysis import scanner
from fleetctl.gcode.limits import ArcCut
from fleetctl.gcode.planning import rule_of

from . import reference
from .reference_plan import seconds
from .strategies import cnc_line, full_mill_line, printer_line, programs

FEW_CHORDS = ArcCut(tolerance_mm=20.0, least_mm=5.0, most_mm=1e6, per_circle=12, resolution_mm=1e6)
"""So few that the core plans each of them; what it does with many is in test_chords."""
DEVIATION = MotionLimits(
    arcs=FEW_CHORDS,
    max_feed_mm_s=(200.0, 180.0, 12.0, 40.0),
    max_accel_mm_s2=(1000.0, 900.0, 200.0, 5000.0),
    junction_deviation_mm=0.02,
)
JERK = MotionLimits(
    arcs=FEW_CHORDS,
    max_feed_mm_s=(200.0, 180.0, 12.0, 40.0),
    max_accel_mm_s2=(1000.0, 900.0, 200.0, 5000.0),
    accel_mm_s2=800.0,
    travel_accel_mm_s2=1500.0,
    retract_accel_mm_s2=700.0,
    jerk_mm_s=(8.0, 8.0, 0.4, 4.5),
)

SLOW = MotionLimits(
    arcs=FEW_CHORDS,
    max_feed_mm_s=(8.0, 8.0, 8.0, 8.0),
    max_accel_mm_s2=(10.0, 10.0, 10.0, 10.0),
    junction_deviation_mm=0.01,
)


def agree(data: bytes, dialect: str, limits: MotionLimits) -> None:
    """Every fact of the two readings is the same; arcs to 2e-6 mm, time to 1e-6.

    Great arcs of mills have many chords, which the core takes together: their time agrees to 5e-3.
    """
    ours = scanner(DIALECTS[dialect], limits)
    ours.feed(data)
    ours.finish()
    theirs = reference.read(data, DIALECTS[dialect], limits)
    totals = ours.totals()
    assert (totals["lines"], totals["commands"]) == (theirs.line, theirs.commands)
    assert {word: list(use[:2]) for word, use in ours.words().items()} == theirs.words
    assert ours.letters() == theirs.letters
    curved = bool({"G2", "G3"} & set(theirs.words))
    for work, spans in ((False, theirs.motion_bounds), (True, theirs.work_bounds)):
        compare_bounds(ours, work, spans, curved)
    assert ours.layers()[0] == theirs.layers
    pushed = {number: mm for number, _, mm in ours.tools() if mm > 1e-6}
    pushed_max = {tool: float(mm) for tool, mm in theirs.pushed_max.items() if mm > 1e-6}
    assert pushed == pytest.approx(pushed_max, abs=1e-6)  # the core counts whole nanometres
    motion, wait = seconds(theirs.moves, limits, rule_of(DIALECTS[dialect], limits))
    exact = 5e-3 if curved and DIALECTS[dialect].cnc else 1e-6
    assert totals["motion_s"] == pytest.approx(motion, rel=exact, abs=1e-6)
    assert totals["dwell_s"] == pytest.approx(wait)


def compare_bounds(ours, work, spans, curved) -> None:
    found = {}
    for name, motion_box, work_box, length in ours.frames():
        for a, span in enumerate(work_box if work else motion_box):
            if span is not None:
                found[name if length is None else f"{name}+{length}", a] = span
    assert set(found) == set(spans)
    for key, span in spans.items():
        low, low_line, high, high_line = found[key][:4]
        tolerance = 2e-6 if curved else 1e-12
        assert low == pytest.approx(float(span.low), abs=tolerance, rel=1e-14)
        assert high == pytest.approx(float(span.high), abs=tolerance, rel=1e-14)
        if not curved:
            assert (low_line, high_line) == (span.low_line, span.high_line)


@settings(max_examples=60, deadline=None)
@given(
    programs(printer_line()),
    st.sampled_from(["marlin", "klipper", "rrf", "smoothie"]),
    st.sampled_from([JERK, DEVIATION]),
)
def test_printer_programs(data: bytes, dialect: str, limits: MotionLimits) -> None:
    agree(data, dialect, limits)


@settings(max_examples=60, deadline=None)
@given(programs(cnc_line()), st.sampled_from([DEVIATION, JERK, SLOW]))
def test_cnc_programs(data: bytes, limits: MotionLimits) -> None:
    agree(data, "grbl", limits)


@pytest.mark.parametrize("feed", [289, 400, 484, 503])
@pytest.mark.parametrize("radius", [52, 185])
def test_great_arcs_as_fast_as_the_axes_go(radius: int, feed: int) -> None:
    """In inches: at the last two feeds the axes, not F, limit the speed, each for its part of the turn."""
    agree(b"G20\nG1 X0 Y0 Z0 F9\nG2 X0 I%d F%d\n" % (radius, feed), "grbl", DEVIATION)


@settings(max_examples=60, deadline=None)
@given(programs(full_mill_line(), 12), st.sampled_from([DEVIATION, SLOW]))
def test_cycles_lengths_and_origins(data: bytes, limits: MotionLimits) -> None:
    scan = scanner(DIALECTS["linuxcnc"], limits)
    scan.feed(data)
    scan.finish()
    assume("cycle_invalid" not in scan.hazards())  # LinuxCNC stops there, and so does what the two agree on
    agree(data, "linuxcnc", limits)
