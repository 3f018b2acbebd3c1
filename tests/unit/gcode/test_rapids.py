"""How low rapids go, who lights the laser, feeds along Z, and the columns of what is written down."""

from __future__ import annotations

from fleetctl.gcode import Analysis, LowestZ, analyze

START = "G21 G90 G54\nM3 S8000\nG0 X0 Y0 Z5\nG1 Z-3 F200\n"


def read(text: str, dialect: str = "grbl") -> Analysis:
    return analyze(text.encode(), dialect=dialect)


def travel(text: str, frame: str = "G54") -> LowestZ | None:
    return next((there.travel for there in read(text).rapids if there.frame == frame), None)


def plunge(text: str, frame: str = "G54") -> LowestZ | None:
    return next((there.plunge for there in read(text).rapids if there.frame == frame), None)


def test_a_rapid_across_counts_at_both_of_its_ends() -> None:
    assert travel(START) == LowestZ(5.0, 3)
    assert travel(START + "G0 X9\n") == LowestZ(-3.0, 5)
    assert travel(START + "G0 X9 Z5\n") == LowestZ(-3.0, 5), "it leaves the cut on a slant"
    assert travel(START + "G0 Z5\nG0 X9 Z-8\n") == LowestZ(-8.0, 6)
    assert travel(START + "G0 Z5\nG0 X9\n") == LowestZ(5.0, 3), "straight up is no travel"


def test_a_rapid_that_does_not_move_is_none() -> None:
    assert travel(START + "G0 X0 Y0\n") == LowestZ(5.0, 3)


def test_a_plunge_goes_below_what_was_cut() -> None:
    assert plunge(START) == LowestZ(5.0, 3)
    assert plunge(START + "G0 Z5\nG0 Z-3\n") == LowestZ(5.0, 3), "back to where it was"
    assert plunge(START + "G0 Z5\nG0 Z-3.001\n") == LowestZ(-3.001, 6)
    assert plunge(START + "G0 Z5\nG91\nG0 Z-9\n") == LowestZ(-4.0, 7)


def test_work_offsets_tool_length_and_g92_are_undone_as_in_the_bounds() -> None:
    assert travel(START + "G55\nG0 X9 Z-7\n", "G55") == LowestZ(-7.0, 6)
    assert travel(START + "G92 Z0\nG0 X9\n") == LowestZ(-3.0, 6)
    assert travel(START + "G53 G0 X-9 Z-20\n", "machine") == LowestZ(-20.0, 5)


def test_printers_have_no_rapids() -> None:
    assert read("G28\nG0 X5 Z-1\nM84\n", "marlin").rapids == ()


def test_inches() -> None:
    assert travel(START.replace("G21", "G20") + "G0 X1\n") == LowestZ(-76.2, 5)


def test_who_lights_the_laser() -> None:
    use = read("G21 G90\nG0 X1\nM4 S0\nG0 X2\nS9\nG0 Z1\nG0 Y3\nM3\nG0 X5\nM30\n").spindle
    assert use is not None
    assert (use.dynamic_power_line, use.constant_power_line, use.power_on_rapid_line) == (3, 8, 7)
    assert read("G21 G90\nM3 S0\nG0 X2\nG1 X3 F9\nM5\nG0 X9\nM30\n").spindle.power_on_rapid_line == 0  # type: ignore[union-attr]


def test_the_feed_along_z_alone() -> None:
    facts = read(START + "G1 X5 F900\nG1 Z-4 F300\nG1 X5 Z-5 F600\nG0 Z5\n")
    assert (facts.max_z_feed_mm_s, facts.max_z_feed_line) == (5.0, 6)
    assert facts.max_feed_mm_s == 15.0


def test_columns_of_words_letters_and_extremes() -> None:
    facts = read("G21 G90\n (G9) m3  S800\n\tG0 x1 Y5 Z3\nG1 Z-2 F100 M8\nN7 G01 X+.5 ; G5\nM30\n")
    assert {word: use.first_column for word, use in facts.words.items()} == {
        "G21": 1, "G90": 5, "M3": 7, "G0": 2, "G1": 1, "M8": 13, "M30": 1,
    }  # fmt: skip
    assert facts.letter_columns == {"S": 11, "X": 5, "Y": 8, "Z": 11, "F": 8, "N": 1}
    motion = facts.frames[0].motion
    assert motion.x is not None and motion.z is not None
    assert (motion.x.low_column, motion.x.high_column) == (8, 5)
    assert (motion.z.low_column, motion.z.high_column) == (4, 11)
    assert facts.spindle is not None and facts.spindle.max_column == 11


def test_columns_of_heat_and_whole_word_commands() -> None:
    facts = read("M104  S200\nG28\n  set_led LED=x\nM84\n", "klipper")
    assert facts.temperatures["nozzle"].max_column == 7
    assert facts.extended["SET_LED"].first_column == 3


def test_where_the_slicer_says_what_preflight_compares() -> None:
    head = b"; nozzle_diameter = 0.4\nG28\n"
    body = b"G1 X1 F900\n" * 30_000
    tail = b"; filament_type = PLA\n; filament_diameter = 1.75\n"
    for end in (b"", b"; x = 1", b"; x = 1\n"):
        lines = analyze(head + body + tail + end, dialect="marlin").claims.lines
        assert lines == {"nozzle_diameter": 1, "filament_type": 30_003, "filament_diameter": 30_004}
