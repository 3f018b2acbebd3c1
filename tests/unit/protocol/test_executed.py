"""Moves are counted back in the text of a program, and never too few lines are said to be in doubt."""

from __future__ import annotations

import random

import pytest

from fleetctl.protocol.executed import lines_behind

PRINT = b"""\
G1 X10 Y10
; outer wall
M204 S500

G1 X20 Y10 E1
;TYPE:fill
G1 X20 Y20 E1 ; corner
(inner wall)
G1 X30 Y30 E1
; last words
"""


@pytest.mark.parametrize(("moves", "lines"), [(0, 0), (1, 3), (2, 5), (3, None)])
def test_comments_blank_lines_and_modes_are_no_moves(moves: int, lines: int | None) -> None:
    """Behind M204 counting begins anew: the first move there only says where counting starts."""
    assert lines_behind(PRINT, moves, words_alone=False) == lines


def test_what_has_no_length_takes_no_place() -> None:
    text = b"G1 X10\nG1 X20\nG1 X20\nG1 X20.01\nG1 F1800\nG1 E-0.8\nG0\n"
    assert lines_behind(text, 1, words_alone=False) == 6
    assert lines_behind(text, 2, words_alone=False) is None


def test_short_moves_count_together() -> None:
    """Firmware adds them up to one long enough, and so does this."""
    text = b"G1 X10\n" + b"".join(b"G1 X%.2f\n" % (10 + 0.06 * step) for step in range(1, 13))
    assert lines_behind(text, 3, words_alone=False) == 12
    assert lines_behind(text, 4, words_alone=False) is None


@pytest.mark.parametrize(
    "between",
    ["G92 X0", "G90", "G91", "G55", "G53 G0 X0", "G28", "M3 S1000", "/G1 X5", "#1=5", "G1 X#1", "G10 L2 P1 X5", "T1"],
)
def test_behind_what_may_change_coordinates_counting_begins_anew(between: str) -> None:
    text = f"G1 X10\nG1 X20\n{between}\nG1 X90\nG1 X100\n".encode()
    assert lines_behind(text, 1, words_alone=True) == 1
    assert lines_behind(text, 2, words_alone=True) == 4


def test_a_move_to_zero_may_be_one_of_no_length() -> None:
    """In relative coordinates it is; which hold is not known so far back."""
    assert lines_behind(b"G1 X10\nG1 X0\n", 1, words_alone=False) is None


def test_axis_words_alone_move_only_where_the_firmware_says_so() -> None:
    text = b"G1 X1 Y1\nX10Y5\nN30 X20 Y5*47\n"
    assert lines_behind(text, 2, words_alone=True) == 2
    assert lines_behind(text, 1, words_alone=False) is None


def test_any_line_end_is_one() -> None:
    assert lines_behind(b"G1 X1\r\n;a\rG1 X9\n\r\n", 1, words_alone=False) == 3


def test_far_back_is_looked_at_when_need_be() -> None:
    text = b"".join(b"G1 X%d\n;\n;\n;\n;\n;\n;\n;\n" % (10 + step) for step in range(200))
    assert lines_behind(text, 100, words_alone=False) == 8 * 100 + 7


def _program(chance: random.Random) -> list[str]:
    """Lines with all that stands between moves, and moves of every length, none included."""
    lines: list[str] = []
    x = y = 50.0
    for _ in range(300):
        kind = chance.random()
        if kind < 0.6:
            x += chance.choice([0.0, 0.0, 0.03, -0.05, 0.1, 0.2, -0.3, 5.0])
            y += chance.choice([0.0, 0.0, 0.04, -0.1, 0.25, -7.0])
            words = [f"X{x:.3f}", f"Y{y:.3f}"]
            lines.append(" ".join(["G1", *chance.choice([words, words, words[:1], words[1:]]), "E0.1"]))
            if len(lines[-1].split()) == 3:  # what is not said does not change
                x, y = (x, _last(lines, "Y", y)) if "X" in lines[-1] else (_last(lines, "X", x), y)
        else:
            lines.append(chance.choice(["", "; comment", "M106 S255", "G1 F1800", "G1 E-0.8", "G90", "M73 P5"]))
    return lines


def _last(lines: list[str], axis: str, otherwise: float) -> float:
    for line in reversed(lines):
        for word in line.split(";")[0].split():
            if word[0] == axis and line.startswith("G1"):
                return float(word[1:])
    return otherwise


def _surely_executed(lines: list[str], depth: int, least_mm: float) -> int:
    """Lines of which nothing is left in a planner that holds `depth` moves, as Marlin fills it."""
    at = stood = (50.0, 50.0)
    took_place: list[int] = []
    for number, line in enumerate(lines, 1):
        found = {word[0]: float(word[1:]) for word in line.split(";")[0].split() if word[0] in "XY"}
        at = (found.get("X", at[0]), found.get("Y", at[1]))
        if max(abs(at[0] - stood[0]), abs(at[1] - stood[1])) >= least_mm:
            took_place.append(number)
            stood = at
    return took_place[-depth] - 1 if len(took_place) >= depth else 0


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("least_mm", [0.0001, 0.02, 0.08])
def test_no_line_that_the_planner_may_hold_counts_as_executed(seed: int, least_mm: float) -> None:
    chance = random.Random(seed)
    lines = _program(chance)
    for depth in (1, 4, 16):
        until = chance.randrange(100, 300)
        text = "".join(f"{line}\n" for line in lines[:until]).encode()
        behind = lines_behind(text, depth, words_alone=False)
        least = until - behind if behind is not None else 0
        assert least <= _surely_executed(lines[:until], depth, least_mm), f"seed {seed}, depth {depth}, until {until}"


def test_it_is_no_wider_than_need_be() -> None:
    """Of a print with a comment for every four moves, 16 moves are 20 lines."""
    text = b"".join(b";\n" if step % 5 == 0 else b"G1 X%d Y%d E.1\n" % (10 + step, 7 * step) for step in range(400))
    assert lines_behind(text, 16, words_alone=False) == 20
