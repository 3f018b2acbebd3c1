"""On the simulated machines: a restarted program makes the same moves as the whole program from that line on.

The simulators read programs with code of their own, so that this is an oracle for what the core says of a state. The
print is stopped at a line on a machine that keeps its power (trust), or taken up on a machine that lost it
(at_height); the mill was homed again and stands somewhere else.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from fleetctl_plugins.grbl.simulator import GrblSimulator
from fleetctl_plugins.marlin.simulator import MarlinSimulator

from fleetctl.errors import CannotTransform
from fleetctl.gcode.dialects import DIALECTS
from fleetctl.gcode.transform import transform
from fleetctl.gcode.transform.layers import line_of_layer
from fleetctl.sim.motion import Move, Point
from tests.integration.gate_rig import Ride, _until_answered, feed, mill, printer
from tests.unit.gcode.sliced import milled, printed

Machine = GrblSimulator | MarlinSimulator
FIRST_KEPT = re.compile(rb"; fleetctl: from here on line (\d+)")


def carry_out(machine: Machine, program: bytes, kind: str, before_line: int | None = None) -> list[tuple[int, Move]]:
    """Run a program, up to a line; the moves that were planned, each with its source line."""
    moves: list[tuple[int, Move]] = []
    at = [0]
    push = machine.planner.push

    def watched(move: Move, now_s: float) -> None:
        moves.append((at[0], move))
        push(move, now_s)

    machine.planner.push = watched  # type: ignore[method-assign]
    said, now_s = Ride(), machine.now_s
    if kind == "marlin":
        machine.receive(b"M110 N0\n", now_s)  # every run counts its lines anew
        now_s = _until_answered(machine, said, now_s)
    for text, line, _ in feed(program, kind):
        if before_line is not None and line >= before_line:
            break
        at[0] = line
        machine.receive(text, now_s)
        now_s = _until_answered(machine, said, now_s)
        assert not [text for text in said.said if not text.startswith("echo")], (line, text, said.said)
    machine.planner.push = push  # type: ignore[method-assign]
    return moves


def ends(moves: list[tuple[int, Move]], first_line: int, shift: int, up_mm: float = 0.0) -> list[tuple[int, Point]]:
    """Where each move from a line on leads, by the line of the whole program, to a micrometre."""
    found = []
    for line, move in moves:
        if line >= first_line:
            x, y, z = (round(value, 3) for value in move.end)
            found.append((line + shift, (x, y, round(z + up_mm, 3))))
    return found


def restarted(program: bytes, dialect: str, **parameters: Any) -> tuple[bytes, int]:
    """The restarted program, and its first line that is an original one."""
    out: list[bytes] = []
    transform(program, "restart", parameters, out.append, dialect=dialect)
    made = b"".join(out)
    found = FIRST_KEPT.search(made)
    assert found
    return made, made[: found.end()].count(b"\n") + 2


def compare(
    whole: bytes, kind: str, line: int, made: bytes, first: int, machine: Machine, up_mm: float = 0.0
) -> list[tuple[int, Move]]:
    """Run both; the moves of the rest must be the same. Returns all moves of the restarted program.

    `up_mm` is how far above what its firmware counts the machine stands in truth.
    """
    fresh = mill() if kind == "grbl" else printer()
    wanted = ends(carry_out(fresh, whole, kind), line, 0)
    moves = carry_out(machine, made, kind)
    assert ends(moves, first, line - first, up_mm) == wanted
    assert len(wanted) > 0
    return moves


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("layer", [2, 4, 6])
def test_a_print_that_kept_its_power(seed: int, layer: int) -> None:
    whole = printed("marlin", seed)
    line = line_of_layer(whole, DIALECTS["marlin"], layer)
    made, first = restarted(whole, "marlin", layer=layer, z_strategy="trust")
    machine = printer()
    carry_out(machine, whole, "marlin", before_line=line)
    height = machine.motion.native[2]
    moves = compare(whole, "marlin", line, made, first, machine)
    top = 0.2 * (layer - 1)
    lowest = min(move.end[2] for _, move in moves)
    assert lowest >= top - 1e-6, "nothing goes below what is printed"
    assert moves[0][1].end[2] == pytest.approx(height + 5.0), "the first move is straight up"
    assert moves[0][1].end[:2] == moves[0][1].start[:2]
    above = [move for at, move in moves if at < first and move.end[:2] != move.start[:2]]
    assert above and all(move.end[2] >= top + 5.0 - 1e-6 for move in above), "sideways only high above the part"


@pytest.mark.parametrize("seed", range(4))
def test_a_print_that_lost_its_power(seed: int) -> None:
    whole = printed("marlin", seed)
    made, first = restarted(whole, "marlin", layer=4, z_strategy="at_height", z_mm=0.6)
    machine = printer()
    machine.planner.place((77.0, 88.0, 0.0))
    machine.motion.native[:3] = (77.0, 88.0, 0.0)  # what it counts after power-on; it stands on the part, at 0.6
    compare(whole, "marlin", line_of_layer(whole, DIALECTS["marlin"], 4), made, first, machine, up_mm=0.6)


@pytest.mark.parametrize("seed", range(10))
def test_milling_goes_on(seed: int) -> None:
    whole = milled("grbl", seed)
    count = 0
    for line in range(6, whole.count(b"\n"), 4):
        try:
            made, first = restarted(whole, "grbl", line=line, homed=True, retract_z_mm=-1.0)
        except CannotTransform:
            continue
        machine = mill()
        moves = compare(whole, "grbl", line, made, first, machine)
        before = [move for at, move in moves if at < first]
        assert before[0].end[2] == -1.0 and before[0].end[:2] == before[0].start[:2], (
            "up first, in machine coordinates"
        )
        sideways = [move for move in before if move.end[:2] != move.start[:2]]
        assert all(move.end[2] == -1.0 for move in sideways)
        count += 1
    assert count >= 1
