"""G92.2 and G92.3: an offset that is put aside and taken up again (RS274NGC 3.5.18)."""

from __future__ import annotations

from fleetctl.gcode import Analysis, analyze


def facts(text: str) -> Analysis:
    return analyze(b"G21 G90\nG0 X10\n" + text.encode(), dialect="linuxcnc")


def test_an_offset_is_put_aside_and_taken_up_again() -> None:
    span = facts("G92 X0\nG0 X1\nG92.2\nG0 X2\nG92.3\nG0 X3\n").frame("G54").motion.x
    assert (span.low_mm, span.low_line) == (2.0, 6)
    assert (span.high_mm, span.high_line) == (13.0, 8)


def test_an_offset_that_was_cancelled_is_gone() -> None:
    span = facts("G92 X0\nG92.1\nG92.3\nG0 X3\n").frame("G54").motion.x
    assert (span.low_mm, span.high_mm) == (3.0, 10.0)


def test_an_offset_measured_in_another_system_stays_unknown_when_taken_up_again() -> None:
    """G92 X0 in G55 where X stands by a G54 coordinate: how far G55 is from G54 is not in the program."""
    found = facts("G55\nG92 X0\nG92.2\nG92.3\nG0 X3\n")
    assert not any(frame.frame == "G55" for frame in found.frames)
    assert found.frame("start").motion.x.high_mm == 13.0
