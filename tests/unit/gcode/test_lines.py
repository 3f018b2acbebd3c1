"""Time and position at every line: against the slow reading, and what they cost in memory."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.gcode import DEFAULT_LIMITS, DIALECTS, Analysis, analyze
from fleetctl.gcode.analysis import scanner

from .reference_path import follow
from .strategies import cnc_line, printer_line, programs

LIMITS = DEFAULT_LIMITS["additive"]


def same_places(data: bytes, dialect: str) -> None:
    scan = scanner(DIALECTS[dialect], LIMITS, position_at_line=True)
    scan.feed(data)
    scan.finish()
    places = scan.positions()
    assert places is not None
    lines = scan.totals()["lines"]
    assert len(places) == 12 * lines
    seen = memoryview(places).cast("f", (lines, 3))
    for i, place in enumerate(follow(data, DIALECTS[dialect], LIMITS).places[:lines]):
        for a, wanted in enumerate(place):
            if math.isnan(wanted):
                assert math.isnan(seen[i, a])
            else:
                assert seen[i, a] == pytest.approx(wanted, rel=2e-7, abs=1e-6)


@settings(max_examples=120, deadline=None)
@given(programs(printer_line()), st.sampled_from(["marlin", "klipper", "rrf"]))
def test_positions_of_printer_programs(data: bytes, dialect: str) -> None:
    same_places(data, dialect)


@settings(max_examples=120, deadline=None)
@given(programs(cnc_line()))
def test_positions_of_cnc_programs(data: bytes) -> None:
    same_places(data, "grbl")


def test_what_each_line_leaves() -> None:
    facts = analyze(
        b"; head\nG28\n;none\nG1 X10 Y20 F600\nG92 X0\nG1 X5\nG91\nG1 Z1\n", dialect="marlin", position_at_line=True,
        time_at_line=True,
    )  # fmt: skip
    at = facts.position_at_line
    assert at is not None and at.shape == (8, 3) and at.itemsize == 4
    assert all(math.isnan(at[0, a]) for a in range(3))
    assert [at[1, a] for a in range(3)] == [0, 0, 0]
    assert [at[2, a] for a in range(3)] == [0, 0, 0]
    assert [at[i, 0] for i in range(3, 8)] == [10, 10, 15, 15, 15]
    assert [at[i, 2] for i in range(3, 8)] == [0, 0, 0, 0, 1]
    times = facts.time_at_line
    assert times is not None and times.shape == (8,) and list(times) == sorted(times) and times[7] == facts.duration_s
    assert msgspec.json.decode(msgspec.json.encode(facts), type=Analysis) == facts


def test_nothing_is_kept_that_was_not_asked_for() -> None:
    facts = analyze(b"G28\nG1 X10 F600\nM106 S255\n", dialect="marlin")
    assert (facts.times_f64, facts.positions_f32, facts.histories) == (None, None, ())
    assert facts.position_at_line is None


def test_lines_over_several_chunks_with_a_gap() -> None:
    """Chunks hold 65,536 lines; one that no command touches is never made and takes the place of the line before."""
    data = b"G28\nG1 X1 F6000\n" + b";\n" * 150_000 + b"G1 X2\n" + b"\n" * 10
    facts = analyze(data, dialect="marlin", position_at_line=True, time_at_line=True)
    at, times = facts.position_at_line, facts.time_at_line
    assert at is not None and times is not None
    assert len(at.tobytes()) == 12 * facts.lines and times.nbytes == 8 * facts.lines
    assert (at[1, 0], at[150_001, 0], at[150_002, 0], at[150_012, 0]) == (1, 1, 2, 2)
    assert 0 < times[1] == times[150_001] < times[150_002] == times[150_012]
