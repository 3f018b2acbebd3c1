"""Heat, spindle, speeds, first times and unanswered questions: the core agrees with the slow reference reading."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.gcode import DEFAULT_LIMITS, DIALECTS
from fleetctl.gcode.analysis import scanner

from . import reference
from .strategies import cnc_setup_line, printer_setup_line, programs

ASKED = (
    "units_assumed", "distance_assumed", "motion_before_home", "extrude_before_hot", "feed_missing", "feed_zero",
    "spindle_off_cut", "spindle_no_speed",
)  # fmt: skip


def agree(data: bytes, dialect: str) -> None:
    limits = DEFAULT_LIMITS["cnc" if DIALECTS[dialect].cnc else "additive"]
    ours = scanner(DIALECTS[dialect], limits)
    ours.feed(data)
    ours.finish()
    theirs = reference.read(data, DIALECTS[dialect], limits)
    watch, totals = theirs.watch, ours.totals()
    assert {name: use[:5] for name, use in ours.heaters().items()} == {
        name: (heat.first, float(heat.top), heat.top_line, float(heat.end), heat.end_line)
        for name, heat in watch.heaters.items()
    }
    hazards = {name: (line, count) for name, (line, _, count) in ours.hazards().items() if name in ASKED}
    assert hazards == watch.hazards
    assert totals["max_feed_mm_s"] == pytest.approx(float(watch.max_feed) / 60)
    assert totals["max_feed_line"] == watch.max_feed_line
    assert totals["cutting_mm"] == pytest.approx(watch.cutting_mm, rel=1e-9, abs=1e-6)
    assert (totals["units_line"], totals["distance_line"]) == (watch.units_line, watch.distance_line)
    assert (totals["first_motion_line"], totals["first_home_line"]) == (watch.motion_line, watch.home_line)
    assert totals["first_work_line"] == watch.work_line
    assert ours.s_on_motion == watch.s_on_motion
    spindle = None
    if watch.on_line:
        spindle = (watch.on_line, float(watch.s_max), watch.s_max_line, watch.spindle, watch.switched_line)
        spindle += (watch.dynamic_line,)
    turned = ours.spindle()
    assert (None if turned is None else turned[:6]) == spindle
    lines = {number: line for number, line, _ in ours.tools() if line}
    assert lines == watch.tool_lines


@settings(max_examples=150, deadline=None)
@given(programs(printer_setup_line()), st.sampled_from(["marlin", "klipper", "rrf", "smoothie"]))
def test_printer_programs(data: bytes, dialect: str) -> None:
    agree(data, dialect)


@settings(max_examples=150, deadline=None)
@given(programs(cnc_setup_line()), st.sampled_from(["grbl", "linuxcnc"]))
def test_cnc_programs(data: bytes, dialect: str) -> None:
    agree(data, dialect)
