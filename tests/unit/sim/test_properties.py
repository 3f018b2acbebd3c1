"""What holds for any input: the split of bytes, idle looks at the clock, and the process do not matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fleetctl_plugins.grbl.simulator import simulator as grbl
from fleetctl_plugins.marlin.simulator import simulator as marlin
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.sim.machine import SimulatedMachine

from .rig import numbered

PRINTER = [
    *(numbered(n, text) for n, text in enumerate(("G21", "G28", "M104 S60", "G1 X30 Y20 F3000", "G1 X5"), 1)),
    b"M105\r\nM155 S1\n",
    numbered(9, "G1 X9"),
    b"G1 X20 F60\n" * 30,
    b"M108\n;comment\nM109 S40\nM400\nM410\nN7 M112*1\n",
]
MILL = [
    b"G21 G90 (a ! comment)\r\nM3 S1000\nG1 X20 F600\n",
    b"?G1 X40\n!G1 X50\n?~",
    b"G1 X1 F60\n" * 30,
    b"G2 X30 Y0 I5 J0\nG4 P0.5\nM0\n\x91\x99G1 X0\n",
    b"~$$\n$J=X5 F100\n\x85\x18$X\nG0 X3\nM30\n?",
]
MACHINES: list[tuple[Callable[..., SimulatedMachine], list[bytes]]] = [(marlin, PRINTER), (grbl, MILL)]


def play(machine: SimulatedMachine, chunks: list[tuple[float, bytes]], looks: list[float]) -> bytes:
    """Feed chunks at their times, following every deadline, looking at the clock at extra times besides."""
    end_s = 400.0
    moments = sorted(
        [(at, 0, data) for at, data in chunks] + [(at, 1, b"") for at in [*looks, end_s]], key=lambda m: m[:2]
    )
    said = b""
    for at_s, _, data in moments:
        while (deadline_s := machine.next_deadline()) is not None and deadline_s < at_s:
            machine.elapse(deadline_s)
            said += machine.take_output()
        if data:
            machine.receive(data, at_s)
        else:
            machine.elapse(at_s)
        said += machine.take_output()
    return said


@pytest.mark.parametrize(("factory", "script"), MACHINES, ids=["marlin", "grbl"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_split_and_any_look_at_the_clock_give_the_same_output(
    factory: Callable[..., SimulatedMachine], script: list[bytes], data: st.DataObject
) -> None:
    gaps = data.draw(st.lists(st.floats(0, 30), min_size=len(script), max_size=len(script)))
    whole: list[tuple[float, bytes]] = []
    pieces: list[tuple[float, bytes]] = []
    at_s = 0.0
    for gap_s, chunk in zip(gaps, script, strict=True):
        at_s += gap_s
        whole.append((at_s, chunk))
        cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(chunk) - 1)), max_size=6)))
        for start, end in zip([0, *cuts], [*cuts, len(chunk)], strict=True):
            pieces.append((at_s, chunk[start:end]))
    looks = data.draw(st.lists(st.floats(0, 400), max_size=10))
    one, two = factory(7), factory(7)
    assert play(one, whole, []) == play(two, pieces, looks)
    assert one.executed.sha256 == two.executed.sha256 and one.position_mm == pytest.approx(two.position_mm)
    assert one.snapshot()["outputs"] == two.snapshot()["outputs"]


@pytest.mark.parametrize("factory", [marlin, grbl])
@given(noise=st.lists(st.tuples(st.floats(0, 20), st.binary(max_size=200)), max_size=10))
@settings(max_examples=60, deadline=None)
def test_no_bytes_break_a_machine(factory: Callable[..., SimulatedMachine], noise: list[tuple[float, bytes]]) -> None:
    machine = factory(7)
    at_s = 0.0
    for gap_s, data in noise:
        at_s += gap_s
        machine.receive(data, at_s)
    machine.elapse(at_s + 100)
    deadline_s = machine.next_deadline()
    assert deadline_s is None or deadline_s > at_s + 100
    machine.snapshot()


@pytest.mark.parametrize("factory", [marlin, grbl])
@given(lines=st.lists(st.from_regex(r"[GMXYZFSPIJRT$N][0-9.GXYZSPFIJ =$#-]{0,30}", fullmatch=True), max_size=30))
@settings(max_examples=100, deadline=None)
def test_no_line_breaks_a_machine(factory: Callable[..., SimulatedMachine], lines: list[str]) -> None:
    machine = factory(7)
    for index, line in enumerate(lines):
        machine.receive(line.encode() + b"\n", index * 2.0)
    machine.elapse(200.0)


def test_output_nobody_reads_is_bounded() -> None:
    machine = marlin(7)
    machine.receive(b"M155 S1\n", 0.0)
    machine.elapse(20_000.0)
    assert len(machine.take_output()) <= 262_144
