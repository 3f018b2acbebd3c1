"""Where the bytes are cut into blocks changes nothing; and no bytes make the core fail."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl._ext import gcode_core
from fleetctl.errors import NotGcode
from fleetctl.gcode import DIALECTS, Analysis, analyze, kind_of
from fleetctl.gcode.analysis import scanner

from .strategies import cnc_line, printer_line, programs

LINE_CAP = 262144


def everything(scan: gcode_core.Scanner) -> tuple[object, ...]:
    """All that a scanner knows."""
    return (
        scan.totals(), scan.frames(), scan.words(), scan.hazards(), scan.tools(), scan.heaters(), scan.layers(),
        scan.names(), scan.spindle(), scan.ending(), scan.letters(), scan.times(), scan.s_on_motion,
        scan.positions(), scan.layer_rows(), scan.object_rows(), scan.features(), scan.histories(), scan.path(),
    )  # fmt: skip


def fed(blocks: list[bytes], dialect: str) -> tuple[object, ...]:
    scan = scanner(DIALECTS[dialect], None, True, True, True, (0.05, 1000))
    for block in blocks:
        scan.feed(block)
    scan.finish()
    return everything(scan)


hostile = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from([b"G1", b"X1", b"(", b")", b";", b"\r", b"\n", b"\r\n", b"*", b"%", b"/", b"\x00",
                         b"\xc3\x84",
                         b"N", b"M117 ", b"[", b"#", b"{", b'"', b" ", b"-", b".", b"99999999999", b"O<x>", b"o1 if",
                         b"SET_A B=1", b"$H", b"G2", b"I1", b"R", b"F0", b"E", b"T99", b"G81", b"L9", b"G91",
                         b";LAYER:", b";MESH:a", b"M486 A", b"EXCLUDE_OBJECT_DEFINE NAME=x",
                         b"EXCLUDE_OBJECT_START NAME=", b" POLYGON=[[1,2],", b" CENTER=1,", b"M486 S1", b";Z:",
                         b";HEIGHT:.2", b";LAYER_CHANGE", b";TYPE:Perimeter", b"; printing object a id:",
                         b"; stop printing object", b"; OBJECT_ID:1", b"; layer 1, Z = ", b"; BEGIN_LAYER_ z=",
                         b"M106 S", b"M104 S9", b"M221 S", b"S9", b"M3", b"G20", b"P999999999"]),
        max_size=60,
    ).map(b"".join),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(programs(printer_line()), programs(cnc_line()), hostile),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from(sorted(DIALECTS)),
)
def test_any_split_gives_the_same_facts(data: bytes, cuts: list[int], dialect: str) -> None:
    whole = fed([data], dialect)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    assert fed([data[a:b] for a, b in pairwise(edges)], dialect) == whole
    assert fed([data[i : i + 1] for i in range(len(data))], dialect) == whole


@settings(max_examples=150, deadline=None)
@given(hostile, st.sampled_from(["auto", *sorted(DIALECTS)]))
def test_hostile_bytes_raise_nothing_but_not_gcode(data: bytes, dialect: str) -> None:
    try:
        facts = analyze(data, dialect=dialect)
    except NotGcode as refusal:
        assert refusal.hint and (refusal.line or kind_of(data))  # a container has no lines
        return
    assert msgspec.json.decode(msgspec.json.encode(facts), type=Analysis) == facts
    assert all(finding.line >= 1 for finding in facts.findings)


@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_a_line_at_the_cap(excess: int, ending: bytes) -> None:
    long = b"G1 X5" + b" " * (LINE_CAP + excess - 5)
    data = b"G1 X1" + ending + long + ending + b"G1 X2" + ending
    cuts = [1, 5, 6, 7, 1000, LINE_CAP, LINE_CAP + 6, LINE_CAP + 7, len(data) - 7, len(data) - 2, len(data) - 1]
    whole = fed([data], "grbl")
    for cut in cuts:
        assert fed([data[:cut], data[cut:]], "grbl") == whole
    facts = analyze(data, dialect="grbl")
    assert facts.lines == 3
    assert ("oversized_line" in facts.hazards) == (excess > 0)
    assert facts.bounds_mm[1][0] == (2.0 if excess > 0 else 5.0)


def test_line_ends_may_be_mixed() -> None:
    facts = analyze(b"G1 X1\r\nG1 X2\rG1 X3\n\rG1 X4", dialect="grbl")
    assert facts.lines == 5
    assert facts.frame("G54").motion.x.high_line == 5
    assert not facts.ending.newline


def test_nothing_can_be_fed_after_the_end() -> None:
    scan = scanner(DIALECTS["grbl"], None)
    scan.finish()
    scan.finish()
    with pytest.raises(ValueError, match="finished"):
        scan.feed(b"G1 X1\n")
