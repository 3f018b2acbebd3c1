"""O words: what is followed, what every fact says of it, and that nothing makes it crash, hang or grow."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS, analyze
from fleetctl.gcode.analysis import scanner
from fleetctl.model.profile import PROFILES, Process, Profile, Setup
from fleetctl.preflight.refused import not_provable, unreadable

from .strategies import computed_program

SUB = "G21 G90\no1 sub\nG0 X#1 Y[#2 * 2]\n#1=99\no1 endsub [#1]\n#1=5\no1 call [3] [4]\nG0 Z#1 X#<_value>\nM2\n"


def read(data: bytes, cuts: tuple[int, ...] = ()) -> gcode_core.Scanner:
    scan = scanner(DIALECTS["linuxcnc"], None)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for low, high in pairwise(edges):
        scan.feed(data[low:high])
    scan.finish()
    return scan


def facts(scan: gcode_core.Scanner) -> tuple[object, ...]:
    return (scan.frames(), scan.words(), scan.hazards(), scan.reasons(), scan.totals(), scan.ending(), scan.letters())


def test_arguments_are_local_and_lines_are_those_of_the_file() -> None:
    ((_, motion, _, _),) = read(SUB.encode()).frames()
    assert tuple(span[:4] for span in motion) == ((3.0, 3, 99.0, 8), (8.0, 3, 8.0, 3), (5.0, 8, 5.0, 8))


def test_loops_count_every_turn_and_commands_every_line_once() -> None:
    facts_ = analyze(
        b"G21 G90 G94 F100\nM3 S100\no1 repeat [3]\nG91 G1 X2\nG4 P1\no1 endrepeat\nM2\n", dialect="linuxcnc"
    )
    assert facts_.words["G1"].count == 3
    assert facts_.cutting_mm == 6.0
    assert facts_.duration_s > 3.0
    assert (facts_.lines, facts_.commands) == (7, 7)
    assert not [finding for finding in facts_.findings if finding.severity != "info"]


def test_a_branch_not_taken_moves_nothing_but_its_bytes_are_seen() -> None:
    text = "G21 G90\n#1=0\no1 if [#1]\nG0 X500 (what?)\nG0 X1!\no1 else\nG0 X2 (really?)\no1 endif\nM2\n"
    scan = read(text.encode())
    assert scan.frames()[0][1][0][:4] == (2.0, 7, 2.0, 7)
    assert scan.hazards()["realtime_code"] == (5, 6, 1)
    assert scan.hazards()["realtime_comment"] == (4, 14, 2)


def test_what_the_text_shows_is_counted_once_however_often_it_runs() -> None:
    loop = read(b"o1 repeat [50]\ng0 x1 (a?)\no1 endrepeat\nM2\n").hazards()
    once = read(b"o1 repeat [1]\ng0 x1 (a?)\no1 endrepeat\nM2\n").hazards()
    assert loop == once


def test_nothing_is_followed_past_a_condition_that_is_not_known() -> None:
    scan = read(b"G21 G90\nG0 X1\no1 if [#5070 EQ 1]\nG0 X500\no1 endif\nG0 X900\nM2\n")
    assert scan.reasons() == {"not_provable": "measured"}
    assert scan.hazards()["not_provable"][0] == 3
    assert scan.frames()[0][1][0][:4] == (1.0, 2, 1.0, 2)
    assert scan.totals()["lines"] == 7


def test_a_program_that_ended_before_its_subs_is_not_followed() -> None:
    scan = read(b"G21 G90\nG0 X1\nM2\no1 sub\nG0 X500\no1 endsub\n")
    assert scan.frames()[0][1][0][:4] == (1.0, 2, 1.0, 2)
    assert not scan.reasons()
    assert scan.totals()["commands"] == 6


def test_too_long_a_program_is_read_straight_on() -> None:
    text = b"G21 G90\no1 if [0]\n" + b"G0 X1 Y1 Z1\n" * 1_500_000 + b"o1 endif\nG0 X7\n"
    scan = read(text, (5, 9_000_000, 17_000_000))
    assert scan.reasons() == {"not_provable": "too_long"}
    assert scan.totals()["lines"] == 1_500_004
    assert scan.frames()[0][1][0][:4] == (1.0, 3, 7.0, 1_500_004)


def test_endless_loops_end_soon() -> None:
    bodies = (b"", b"G1 X1 F1\n", b"#1=[#1+1]\n", b"G91 G81 X1 Y1 Z-1 R1 L1000\n", b"#2=[9**300 MOD 9**-300]\n",
              b"X" + b"[" * 100 + b"1" + b"]" * 100 + b"\n")  # fmt: skip
    for body in bodies:
        begun = time.process_time()
        scan = read(b"G21\n#1=1\no1 while [1]\n" + body + b"o1 endwhile\nM2\n")
        assert scan.reasons() == {"loop_cap": "work"}
        # The bound is of work, not of time; some 2 s on the reference machine, and this only tells it from endless.
        assert time.process_time() - begun < 60.0


@settings(max_examples=60, deadline=None)
@given(computed_program(), st.lists(st.integers(0, 5000), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_split_gives_the_same_facts(lines: list[str], cuts: list[int], end: str) -> None:
    data = end.join(lines).encode()
    assert facts(read(data)) == facts(read(data, tuple(cuts)))


def test_line_ends_of_kept_text_stay_apart_wherever_it_is_cut() -> None:
    for data in (b"o1 endsub\r\r\r\n", b"o1 sub\nX#1\r\r\r", b"O1 endsub\nG0 X1\r\n(c\r\r\r\nG0 X2\r\n"):
        whole = read(data)
        assert whole.totals()["lines"] == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
        for cut in range(1, len(data)):
            assert facts(read(data, (cut,))) == facts(whole)


PIECES = [
    "o1 sub", "o1 endsub", "o1 call", "o2 if [", "o2 else", "o2 endif", "o3 while [", "o3 endwhile", "o3 do",
    "o3 break", "o3 continue", "o4 repeat [", "o4 endrepeat", "o1 return [", "M98 P1", "M99", "O1",
    "o<a b> call", "o#1 call", "G1 X", "#", "#<", ">", "[", "]", "-", "**", "MOD", "EXISTS[", "ATAN[", "]/[",
    "=", "1", "9999999999", ".", " ", "\n", "\n", "\n", "\r\n", "(", ")", ";", "(abort,", "%", "M2",
    "G38.2 Z-1", "G2 I", "G10 L2 P1 X#", "G92 X#5", "G81 R", "L", "/", "\x00", "\xff", "{", "$", "N#", "@",
    "^", "T[", "#5061", "#<_x>", "G", "M",
]  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60), st.lists(st.integers(0, 300), max_size=3))
def test_no_text_makes_it_crash_or_differ(pieces: list[str], cuts: list[int]) -> None:
    data = "".join(pieces).encode("latin-1")
    whole = read(data)
    assert facts(whole) == facts(read(data, tuple(cuts)))
    for _, motion, work, _ in whole.frames():
        for span in (*motion, *work):
            assert span is None or -2e12 <= span[0] <= span[2] <= 2e12


def refusals(program: bytes, profile: Profile) -> set[int]:
    """The lines for which FQ010 and FQ011 refuse a program."""
    analysis = analyze(program, dialect="linuxcnc")
    return {found.line for rule in (unreadable, not_provable) for found in rule.check(analysis, profile, Setup())}


def test_a_machine_that_computes_takes_what_was_evaluated() -> None:
    linuxcnc = Profile(name="m", title="m", process=Process.SUBTRACTIVE, dialect="linuxcnc", envelope=None)
    grbl = PROFILES["generic-mill-3018"]
    good = b"G21 G90 G94\nM3 S100\no1 repeat [3]\nG1 X[1+1] F100\no1 endrepeat\nM2\n"
    assert refusals(good, linuxcnc) == set()
    assert refusals(good, grbl) == {3, 4}
    for line in ("G0 X#5061", "G0 X[1/0]", "o2 endif", "M99"):
        assert refusals(f"G21 G90 G94\no1 if [1]\no1 endif\n{line}\nM2\n".encode(), linuxcnc) == {4}


@pytest.mark.parametrize("arc", ["G2 I1", "G2 X1 Y1 I5 P3", "G3 I1 P100000"])
def test_a_loop_of_arcs_is_left_sooner_for_an_arc_is_more_work(arc: str) -> None:
    scan = read(f"G21 G90 G94 F100\nM3 S100\nG0 X0 Y0\no1 while [1]\n{arc}\no1 endwhile\nM2\n".encode())
    assert "loop_cap" in scan.hazards()
    assert scan.words()[arc[:2]][1] < 800_000
