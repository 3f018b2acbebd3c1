"""The core says its modal state after any line, exactly, however the bytes are split."""

from __future__ import annotations

import pytest

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS
from fleetctl.gcode.state import state_after, state_of

from .sliced import MILLS, PRINTERS, milled, printed


def after(text: str, dialect: str = "marlin"):  # type: ignore[no-untyped-def]
    return state_after(text.encode(), DIALECTS[dialect])


def test_a_printer() -> None:
    state = after(
        "G28 X Y\nT1\nM104 S205\nM104 T0 S190\nM140 S60\nM106 S128\nM106 P2 S9\nM107 P2\nM220 S90\nM221 S95 T1\n"
        "G90\nM83\nG1 X1.25 Y2 Z0.3 F1500.5\nG1 X3 E2\nG1 E-0.8\nG92 X0\nG10\n"
    )
    assert [axis.program_nm for axis in state.axes] == [0, 2_000_000, 300_000]
    assert [axis.at_nm for axis in state.axes] == [3_000_000, 2_000_000, 300_000]
    assert [axis.known for axis in state.axes] == [True, True, True] and state.homed == (True, True, False)
    assert state.nozzles_degc == {1: 205.0, 0: 190.0} and state.bed_degc == 60 and state.tool == 1
    assert state.fans == {0: 128.0, 2: 0.0} and (state.feed_percent, state.flow_percent) == (90.0, 95.0)
    assert (state.e_relative, state.relative, state.e_nm, state.pulled_back_nm) == (True, False, 1_200_000, 800_000)
    assert state.feed_nm_min == 1_500_500_000 and state.retracted
    assert (state.last_work_line, state.work_top_nm, state.kept_lines) == (14, 300_000, (9, 10))


def test_a_mill() -> None:
    state = after(
        "G20 G90 G18 G55\nT3 M6\nT4\nM4 S1200\nM7\nM8\nG43.1 Z1\nG0 X1 Y1 Z2\nG1 X2 F10\nG92 X0\nG91 G2 X1 I1\n"
        "G41 D1\nG99 G64 P0.1\nG93\n",
        "linuxcnc",
    )
    assert (state.inch, state.relative, state.plane, state.wcs, state.motion) == (True, True, 18, "G55", 20)
    assert (state.spindle, state.s, state.mist, state.flood) == (4, 1200.0, True, True)
    assert (state.tool, state.tool_in, state.tool_change_line, state.cutter) == (4, 3, 2, 41)
    assert (state.tool_length_nm, state.feed_mode, state.cycle_returns_to_r) == (25_400_000, 93, True)
    assert (
        state.axes[0].zero_nm == 50_800_000
        and state.axes[2].at_nm == 76_200_000
        and state.axes[2].zero_nm == 25_400_000
    )
    assert after("G41\nG40\nM8\nM9\nM3 S5\nM30\n", "grbl").cutter == 0
    assert (after("M8\nM3 S5\nM30\n", "grbl").flood, after("M3 S5\nM30\n", "grbl").spindle) == (False, 5)


def test_what_is_not_known_is_not_known() -> None:
    state = after("G91\nG1 X5\nG90\nG1 Y5\n")
    assert [axis.known for axis in state.axes] == [False, True, False]
    assert not after("G90 G0 Z5\nG28\n", "grbl").axes[2].known
    assert after("G53 G0 X1\nG92 X0\n", "grbl").axes[0].foreign


def test_settings_are_kept_once_and_in_the_order_in_which_they_count() -> None:
    lines = "M201 X1\nM204 S1\nM201 X2 Y2\nM204 P1\nM204 S2\nM201 X3\nM572 D0 S0.1\nM572 D1 S0.2\nM572 D0 S0.3\n"
    assert after(lines, "rrf").kept_lines == (3, 4, 5, 6, 8, 9)
    names = (
        "SET_FAN_SPEED FAN=a SPEED=0.1\nset_fan_speed fan=A  speed=.9 ; c\nSET_FAN_SPEED FAN=b SPEED=1\nPRINT_START\n"
    )
    state = after(names, "klipper")
    assert state.kept_lines == (2, 3) and state.macro_line == 4
    many = "".join(f"M572 D{n} S1\n" for n in range(600))
    assert len(after(many, "rrf").kept_lines) == 512 and after(many, "rrf").kept_lost == 88


@pytest.mark.parametrize("dialect", [*PRINTERS, *MILLS])
def test_any_split_of_the_bytes_gives_the_same_state(dialect: str) -> None:
    program = printed(dialect, 9) if dialect in PRINTERS else milled(dialect, 9)
    wanted = state_after(program, DIALECTS[dialect])
    for size in (1, 7, 100):
        scan = gcode_core.Scanner(DIALECTS[dialect].reads, False)
        for at in range(0, len(program), size):
            scan.feed(program[at : at + size])
        assert state_of(scan) == wanted
