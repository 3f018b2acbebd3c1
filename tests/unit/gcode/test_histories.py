"""How feed, temperatures, spindle, fan and flow change: every change while there is room, the extremes beyond."""

from __future__ import annotations

import random

import pytest

from fleetctl.gcode import Analysis, History, analyze

CAP = 4096


def asked(data: bytes, dialect: str = "marlin") -> Analysis:
    return analyze(data, dialect=dialect, histories=True, time_at_line=True)


def history(facts: Analysis, quantity: str, tool: int = -1) -> History:
    return next(one for one in facts.histories if (one.quantity, one.tool) == (quantity, tool))


def pairs(one: History) -> list[tuple[int, float]]:
    return list(zip(one.lines, one.values, strict=True))


PRINT = b"""M140 S60
M104 S215
M109 S215
T1
M104 T0 S170
M109 R200
M141 S40
M106 S255
M106 P2 S9
G1 X10 F600
G1 X20 F600
G1 X30 F1200
M107
M106 S51
M221 S95
M104 S0 T1
M140 S0
"""


def test_every_change_of_a_print() -> None:
    facts = asked(PRINT)
    assert pairs(history(facts, "bed")) == [(1, 60), (17, 0)]
    assert pairs(history(facts, "nozzle", 0)) == [(2, 215), (5, 170)]
    assert pairs(history(facts, "nozzle", 1)) == [(6, 200), (16, 0)]
    assert pairs(history(facts, "chamber")) == [(7, 40)]
    assert pairs(history(facts, "fan")) == [(8, 1), (13, 0), (14, 0.2)]
    assert pairs(history(facts, "feed")) == [(10, 10), (12, 20)]
    assert pairs(history(facts, "flow")) == [(15, 0.95)]
    assert len(facts.histories) == 7 and all(one.seen == len(one) for one in facts.histories)


def test_reprapfirmware_s_fan_may_be_a_share() -> None:
    assert pairs(history(asked(b"M106 S0.5\nM106 S128\nG1 X1 F60\n", "rrf"), "fan")) == [(1, 0.5), (2, 128 / 255)]


def test_a_mill_s_spindle() -> None:
    facts = asked(b"G21 G90 S900\nM3 S1000\nG1 X5 F100\nG1 X6 S1200\nM5\nM3\nM2\n", "grbl")
    assert pairs(history(facts, "spindle")) == [(2, 1000), (4, 1200), (5, 0), (6, 1200), (7, 0)]


@pytest.mark.parametrize("seed", range(4))
def test_times_are_those_of_the_lines_before(seed: int) -> None:
    rng = random.Random(seed)
    lines = []
    for _ in range(4000):
        fan, x, feed = f"M106 S{rng.randrange(256)}", rng.randrange(200), rng.randrange(1, 90) * 100
        lines.append(fan if rng.random() < 0.1 else f"G1 X{x} F{feed}")
    facts = asked("\n".join(lines).encode())
    times = facts.time_at_line
    assert times is not None
    for one in facts.histories:
        assert [0.0 if line == 1 else times[line - 2] for line in one.lines] == list(one.times_s)


@pytest.mark.parametrize("moving", [True, False])
def test_a_full_history_keeps_its_extremes_its_order_and_its_end(moving: bool) -> None:
    rng = random.Random(7)
    feeds = [rng.randrange(1000, 9000) for _ in range(50_000)]
    feeds[17_123], feeds[31_001], feeds[-1] = 5, 99_999, 4321
    feeds = [feed + (i % 2) for i, feed in enumerate(feeds)]
    axis = b"X%d " if moving else b""
    facts = asked(b"".join(b"G1 " + (axis % (i % 2) if moving else b"") + b"F%d\n" % f for i, f in enumerate(feeds)))
    one = history(facts, "feed")
    assert CAP // 2 <= len(one) <= CAP
    assert one.seen == sum(a != b for a, b in zip(feeds, [None, *feeds], strict=False))
    by_line = dict(zip(one.lines, one.values, strict=True))
    assert list(by_line) == sorted(by_line)
    for i in (17_123, 31_001, 49_999):
        assert by_line[i + 1] == pytest.approx(feeds[i] / 60, rel=1e-12)
    assert all(value == pytest.approx(feeds[line - 1] / 60, rel=1e-12) for line, value in by_line.items())
    times = facts.time_at_line
    assert times is not None
    assert [0.0 if line == 1 else times[line - 2] for line in one.lines] == list(one.times_s)
