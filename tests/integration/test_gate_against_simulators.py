"""What the gate passes, the simulated machine does without leaving its envelope, overheating or refusing a line.

Core and gate read a program with compiled code, the simulators with their own: neither uses the other's, so that a
disagreement finds the one that is wrong. Programs are made from a mixture of sane moves and of everything that was
ever found to be read differently.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fleetctl.errors import FleetctlError
from tests.integration.gate_rig import MILL, PRINTER, Ride, agree, judge, left_envelope, ride

MANY = settings(
    max_examples=400,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def either(lines: str) -> st.SearchStrategy[str]:
    """One of several lines, written with | between them."""
    return st.sampled_from(lines.split("|"))


@st.composite
def number(draw: st.DrawFn, low: int, high: int) -> str:
    value = draw(st.integers(low * 1000, high * 1000))
    return draw(
        st.sampled_from([f"{value / 1000:.3f}", f"{value // 1000}", f"{value / 1000:.1f}", f"{value // 1000}."])
    )


@st.composite
def words(draw: st.DrawFn, head: list[str], ranges: dict[str, tuple[int, int]]) -> str:
    """A command and some of its words, in any order."""
    chosen = draw(st.lists(st.sampled_from(sorted(ranges)), unique=True, max_size=len(ranges)))
    line = [draw(st.sampled_from(head)), *(letter + draw(number(*ranges[letter])) for letter in chosen)]
    return " ".join(draw(st.permutations(line)) if draw(st.integers(0, 4)) == 0 else line)


@st.composite
def dressed(draw: st.DrawFn, plain: st.SearchStrategy[str]) -> str:
    """The same line as somebody else would write it."""
    line = draw(plain)
    dress = draw(st.integers(0, 11))
    if dress == 0:
        return line.lower()
    if dress == 1:
        return line.replace(" ", "  (c) ")
    if dress == 2:
        return f"N{draw(st.integers(1, 999))} {line}"
    if dress == 3:
        return line + " ; c!"
    return line


CUTS = words(["G0", "G1", "G1", ""], {"X": (-30, 120), "Y": (-20, 90), "Z": (-6, 12), "F": (20, 900)})
SMALL_CUTS = words(["G0", "G1", ""], {"X": (0, 9), "Y": (0, 9), "Z": (0, 3)})
ARCS = words(["G2", "G3", "G02", "g3"], {"X": (-10, 40), "Y": (-10, 40), "Z": (0, 5), "R": (-40, 60)})
OFFSET_ARCS = words(
    ["G2", "G3"], {"X": (-5, 9), "Y": (-5, 9), "Z": (-5, 9), "I": (-9, 9), "J": (-9, 9), "K": (-9, 9)}
)
HALF_ARCS = either(
    "G91\nG3 X10 I5\nG90|G91\nG2 X4 Y4 I4\nG90|G18 G91\nG2 X6 I3\nG17 G90|G19 G91\nG3 Z4 K2 J0\nG17 G90|"
    "G91\nG2 Y8.485 R6\nG90|G91\nG3 X3 R-2\nG90"
)
MODES = either(
    "G90|G91|G20|G21|G17|G18|G19|G54|G55|G59|G56|G94|G80|G40|G49|G61|G91.1|G93|G0|G1|M3 S1000|M5|S3000|"
    "M4 S20000|M8|M9|M0|M1|M30|M2|G4 P0.1|G53 G0 Z-2|G53 G0 X-100 Y-70|G92.1|G28|G30|G28 X0|G91 G28 Z0|"
    "G28 Z1 Y2|G92 X5|G92 Z3 Y-2|G92 X0 Y0 Z0|G43.1 Z-5|G43.1 Z2|G91 G0 X5|G90 G0 X5 Y5|F100"
)
ODD = either(
    "M3|M7|M6|T1|G4|G4P1X5|G10 L2 P1 X0|G0X1X2|G0 X1 A2|/G0 X3|G1 X1 P2|G90 G91 X5|G20 G21|M3 M5 S10|G1 G0 X3|"
    "G0 X3 =|G0 X3 K1|G53 X3|G0 X1 S-5|G1X5F0|%|%5|G0 X|X1 L3|G0.5 X3|M3.1|G92|G2|G80 X3|G92.1 X900|"
    "G4 P0 X900|O100|#1=5|G0 X[5]|$H|G1 X1 F-5|M8 M9|G54 G55|N-5 X3|G28 G92 X3|G0 G92 X3|G38.2|G1 X5!|(|G5 X3|"
    "G2 X3 I1 P2|G1 X1e3|G0 X 1 0|G 0 X 3|"
)
OPENINGS = either(
    "G21 G90\nM3 S5000\nG0 X5 Y5 Z2\nF300|G21 G90 M3 S500 F200|G20 G90\nM4 S100\nG0 X1 Y1 Z0.1 F20|"
    "G21\nG91\nM3 S1000 F100|G90\nM3 S100\nG0 X1 Y1 Z1 F50|G21 G90 G55 M3 S9 F50\nG0 X5 Y5 Z2|X9|"
    "G21 G90 M3 F100\nG53 G0 X-99 Y-60 Z-5|G21 G90 M3 S1 F100\nG53 G0 X-99 Y-60 Z-5\nG92 X0 Y0 Z0"
)


@st.composite
def milling(draw: st.DrawFn) -> bytes:
    line = st.one_of(CUTS, SMALL_CUTS, SMALL_CUTS, ARCS, OFFSET_ARCS, HALF_ARCS, MODES, MODES, ODD)
    body = draw(st.lists(dressed(line), min_size=1, max_size=7))
    end = draw(st.sampled_from(["M30", "M5", "M2", "M5\nM30"]))
    lines = "\n".join([draw(OPENINGS), *body, end]).split("\n")
    return draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines).encode() + draw(st.sampled_from([b"\n", b""]))


PRINTS = words(["G0", "G1", "G1"], {"X": (-5, 225), "Y": (-5, 225), "Z": (0, 40), "E": (0, 9), "F": (100, 9000)})
SAFE_PRINTS = words(["G0", "G1", "G1"], {"X": (0, 30), "Y": (0, 30), "Z": (0, 9), "E": (0, 9)})
PRINT_ARCS = words(["G2", "G3"], {"X": (0, 60), "Y": (0, 60), "R": (40, 90), "I": (-9, 9), "J": (-9, 9), "E": (0, 3)})
PRINT_MODES = either(
    "G90|G91|G92 X5|G92|G92 E0|G92 Z3 Y9|G28|G28 X|G28 X0 Y0|G20|G21|M82|M83|G3 I2|G3 X9 Y9 I2 J2|M104 S240|"
    "M109 S200|M109 R250|M140 S100|M190 S60|M104 S200 T0|M106 S255|M107|m104 s250|M104  S 210|M400|G4 P100|"
    "G4 S1|M204 P500|M203 X100|M92 E400|M220 S100|G1|M84|G91\nG1 Z5\nG90"
)
PRINT_ODD = either(
    "M104 S300|M140 S120|M104 S200 B300 F1|M303 S280 C3|M145 S0 H270 B80|M104 S999|G90 G1 X5|G91 G0 X900|"
    "X10 Y900|G17|G18|G54|G53 G0 X1|M117 Hello! (you) \u00fc?|M0 Click!|T0|M206 X50|M92 X160|"
    "G5 X1 Y1 I1 J1 P0 Q0|M24|M23 a.gco|M30 a.gco|N5 G1 X5|G1 X1e3|G1 X#5|G1 X500 [|G10|/G1 X900|%|% x|G61|$H|"
    "G1 X5 = Y6|G1 X5!|O100|G12|M500|M112|EXCLUDE_OBJECT_START NAME=x|M428|G1 X|M109 S{hot}|"
)
PRINT_OPENINGS = either(
    "M104 S200\nG28\nG1 X5 Y5 E1 F3000|G91\nG1 Z5 F600\nG90\nG28\nM109 S200\nG1 X9 E1|M104 S0\nG28 X\nG92 E0|"
    "M82\nG1 X5 E1|M83\nG28\nM104 S200\nG1 X50 Y50 Z1 E1|M104 S0\nG91\nG1 X5|M104 S0\nG92 X0 Y0 Z0"
)


@st.composite
def printing(draw: st.DrawFn) -> bytes:
    line = st.one_of(PRINTS, SAFE_PRINTS, SAFE_PRINTS, PRINT_ARCS, PRINT_MODES, PRINT_ODD)
    body = draw(st.lists(dressed(line), min_size=1, max_size=7))
    lines = "\n".join([draw(PRINT_OPENINGS), *body, "M104 S0\nM84"]).split("\n")
    return draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines).encode() + draw(st.sampled_from([b"\n", b""]))


def ridden(program: bytes, kind: str, passed: bool) -> Ride | None:
    """What the machine did; None for a refused program that the feeder refuses too."""
    try:
        return ride(program, kind)
    except FleetctlError as error:
        assert not passed, f"the gate passed what the feeder refuses: {error}"
        return None


SEEN = {"grbl": 0, "marlin": 0}
"""How many programs of each kind passed: a gate that refuses everything would prove nothing."""


@given(program=milling())
@example(program=b"G21 G90 M3 S500 F200\nG0 X5 Y5 Z2\nG4 P0.1 X900\nM30\n")
@example(program=b"G21 G90 M3 S500 F200\nG0 X5 Y5 Z2\nG43.1 Z-60\nG1 Z0\nM30\n")
@example(program=b"G21 G90 M3 S500 F200\nG53 G0 X-100 Y-50 Z-5\nG92 X0\nG55 X0\nG1 X40\nM30\n")
@example(program=b"G21 G90 M3 S500 F200\nG2 X20 Y20 R900\nM30\n")
@example(program=b"M104 S0\nG28\nG0 X10\nX900\n")
@MANY
def test_a_mill_does_what_the_gate_passed(program: bytes) -> None:
    facts, verdict = judge(program, "grbl")
    if facts is None or verdict is None:
        return
    result = ridden(program, "grbl", verdict.passed)
    if result is None:
        return
    probes = any(word.startswith("G38") for word in facts.words)
    if verdict.passed:
        SEEN["grbl"] += 1
        assert not result.said or (probes and result.said == ["ALARM:5"]), result.said
        assert not left_envelope(result, "grbl")
        assert MILL.spindle_max_rpm is not None and result.fastest_rpm <= MILL.spindle_max_rpm
    # The stored position, what an offset becomes, and what stands around an odd sign: only one of them knows these.
    apart = {"arc_from_unknown", "offset_write", "number_missing", "stray_character"} & set(facts.hazards)
    if not (result.said or probes or apart or {"G28", "G30"} & set(facts.words)):
        assert agree(program, "grbl", result)


@given(program=printing())
@example(program=b"M104 S0\nG91\nG1 X1000\nG90\nG28\nM84\n")
@example(program=b"M104 S0\nG92 X0 Y0\nG1 X219 Y219 E1\nM84\n")
@example(program=b"M104 S0\nG28\nG1 X200 [\nG1 X900 [5]\nM84\n")
@example(program=b"M104 S0\nG28\nG1 X100\nG1 X100 G91\nG1 X100\nM84\n")
@example(program=b"M104 S200 B300 F1\nG28\nG1 X9 E1\nM104 S0\nM84\n")
@MANY
def test_a_printer_does_what_the_gate_passed(program: bytes) -> None:
    facts, verdict = judge(program, "marlin")
    if facts is None or verdict is None:
        return
    result = ridden(program, "marlin", verdict.passed)
    if result is None:
        return
    warned = any(finding.code in ("FQ005", "GC005") for finding in verdict.findings)
    if verdict.passed:
        SEEN["marlin"] += 1
        assert warned or not result.said, result.said
        assert not left_envelope(result, "marlin")
        assert PRINTER.nozzle_max_degc is not None and PRINTER.bed_max_degc is not None
        assert result.hottest_degc.get("nozzle", 0.0) <= PRINTER.nozzle_max_degc
        assert result.hottest_degc.get("bed", 0.0) <= PRINTER.bed_max_degc
    ways = {
        "several_commands",
        "bare_axes",
        "scale_change",
        "expression",
        "arc_invalid",
        "arc_radius",
        "arc_from_unknown",
        "number_missing",
    }
    if not result.said and facts.dialect == "marlin" and not ways & set(facts.hazards):
        assert agree(program, "marlin", result)


@pytest.mark.parametrize("kind", sorted(SEEN))
def test_enough_programs_passed(kind: str) -> None:
    if sum(SEEN.values()) == 0:
        pytest.skip("the generated programs were not run")
    assert SEEN[kind] >= 40
