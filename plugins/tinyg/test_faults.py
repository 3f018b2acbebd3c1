"""Faults of TinyG that no other machine has, each with its one documented outcome (README)."""

from __future__ import annotations

import os
from typing import Any

import pytest
from fleetctl_plugins.tinyg.driver import DRIVER
from fleetctl_plugins.tinyg.simulator import TinygSimulator, as_executed, simulator

from fleetctl.driver.api import EndKind
from fleetctl.model.machine import Activity
from fleetctl.sim.faults import Fault, FaultyMachine
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Bench, Subject

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "3")))
CUTS = b"".join(b"G1 X-%d.%d Y-%d F900\n" % (5 + i % 9, i % 10, i % 7) for i in range(40))
PROGRAM = b"G21 G90 G94\nM3 S900\n" + CUTS


async def begun(program: bytes, *faults: Fault, seed: int = 1, **options: Any) -> tuple[Bench, TinygSimulator]:
    board = simulator(seed, **options)
    machine = FaultyMachine(board, faults, seed=seed) if faults else board
    subject = Subject(
        driver=DRIVER,
        make_machine=lambda _: machine,
        program=program,
        cleaned=as_executed,
        safe_lines=frozenset({"M5", "M9"}),
        switch_on="M3 S1000",
        question=('{"fb":null}', "440.2"),
        fault="hard-limit",
        fault_end=EndKind.INTERRUPTED,
        clears_fault=True,
        has_checksums=False,
    )
    bench = Bench(subject, seed=seed)
    await bench.connect()
    await bench.start()
    return bench, board


async def finish(bench: Bench) -> None:
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_an_error_flushes_what_is_behind_it_and_names_the_line() -> None:
    bench, board = await begun(PROGRAM + b"G1 X1 Q5\n" + PROGRAM + b"M30\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FAILED
    assert "line 43: status 100" in reason
    assert board.is_safe
    assert not bench.recorder.position_lost
    assert len(bench.executed) < 43 + 4 + 2
    await finish(bench)


@pytest.mark.parametrize("line", [b"G1 X1 %", b"G10 L20 P1 X0", b"$x", b'{"xvm":100}'])
@under_virtual_clock()
async def test_what_may_not_be_streamed_is_not_sent(line: bytes) -> None:
    bench, board = await begun(PROGRAM + line + b"\nM30\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FAILED
    assert "line 43" in reason
    assert board.is_safe
    await finish(bench)


@under_virtual_clock()
async def test_a_tool_change_waits_for_a_person_and_is_never_sent() -> None:
    bench, _ = await begun(b"G21 G90\nG1 X-5 F600\nM5\nT2 M6\nG1 X-9\nM30\n")
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert "line 4" in bench.recorder.activities[-1][1]
    assert bench.executed[-1] == "M5"
    await bench.clock.sleep(3600.0)
    await bench.driver.resume()
    kind, _, progress = await bench.end()
    assert kind is EndKind.FINISHED
    assert progress.acknowledged_line == 6
    assert not any("M6" in line for line in bench.executed)
    await finish(bench)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["drop", "lost-answer"])
@under_virtual_clock()
async def test_a_lost_line_or_answer_never_finishes(kind: str, seed: int) -> None:
    fault = Fault("drop" if kind == "drop" else "drop-out", after_lines=10 + 3 * seed)
    bench, board = await begun(PROGRAM + b"M30\n", fault, seed=seed)
    ended, reason, _ = await bench.end()
    if kind == "drop":
        assert ended is EndKind.INTERRUPTED
        assert "arrived with" in reason or "acknowledgement was lost" in reason
        assert bench.recorder.position_lost
    elif ended is EndKind.FINISHED:  # it was a report that was lost
        assert bench.program_lines() == as_executed(PROGRAM + b"M30\n")
    assert board.lost_bytes == 0
    await finish(bench)


@under_virtual_clock()
async def test_no_byte_overflows() -> None:
    long = b"G1 X-1.%s Y-2.%s F900\n" % (b"0" * 28, b"0" * 28)
    bench, board = await begun(b"G21 G90 G94\n" + long * 40 + b"M30\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert board.lost_bytes == 0
    await finish(bench)


@under_virtual_clock()
async def test_homing_ends_when_it_has_been_homing() -> None:
    bench, board = await begun(b"G21 G90\nM30\n")
    await bench.end()
    await bench.driver.home()
    assert board.position_mm == (0.0, 0.0, 0.0)
    assert bench.recorder.now is Activity.IDLE
    await finish(bench)
