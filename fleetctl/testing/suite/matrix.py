"""Every fault of a link and of a board, times a driver, times many seeds, under the virtual clock.

Pass means: the machine executed exactly the program, or a beginning of it and the run ended once, with a reason; no
skipped, doubled or reordered line, and no wait without end. `FAULT_SEEDS` says how many seeds each cell is tried with
(2 unless said), `FAULT_FIRST_SEED` where they begin. It must not know any firmware.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from fleetctl.driver.api import EndKind
from fleetctl.sim.faults import FaultyMachine, read_fault
from fleetctl.sim.machine import SimulatedMachine
from fleetctl.testing.faults import ChunkFaults, FaultyTransport, LinkFaults
from fleetctl.testing.loop import run
from fleetctl.testing.suite.bench import Bench
from fleetctl.testing.suite.subject import Subject
from fleetctl.testing.wires import DoubledLineEnds, HalfOpen, SpoilsOneLine
from fleetctl.transport.base import Transport

SOME_LINES = 8
AFTERWARDS_S = 60.0
CELL_LIMIT_S = 4 * 3600.0

FINISHED = frozenset({EndKind.FINISHED})
INTERRUPTED = frozenset({EndKind.INTERRUPTED})
EITHER = frozenset({EndKind.FINISHED, EndKind.INTERRUPTED, EndKind.FAILED})

Act = Callable[[Bench, Transport], None]


@dataclass(frozen=True)
class Cell:
    """One fault. `link` makes the bad link, `strike` is called in the middle of the run, `machine` is a fault as
    `fleetctl.sim.faults` writes it, with `{line}` for a seeded place in the program. `ends`: how a run may end.
    `needs` names what of `Subject` must be claimed, for else nobody could notice the fault."""

    ends: frozenset[EndKind] = EITHER
    link: Callable[[Transport, random.Random], Transport] | None = None
    strike: Act | None = None
    machine: tuple[str, ...] = ()
    needs: tuple[str, ...] = field(default=())


def _spoiled(faults: LinkFaults) -> Cell:
    """A link that is good while the machine is greeted, and then has these faults."""

    def strike(bench: Bench, link: Transport) -> None:
        assert isinstance(link, FaultyTransport)
        # Two lines that run together pass an exclusive or once in 256 times: the sum's fault, not the driver's.
        out = replace(faults.out, spares=b"\n" + bench.subject.unchecked)
        link.begin(replace(faults, out=out))

    return Cell(link=lambda inner, rng: FaultyTransport(inner, LinkFaults(), rng), strike=strike)


def _reset(bench: Bench, link: Transport) -> None:
    bench.machine.reset(bench.link.now_s())
    bench.link.wake()


def _die(bench: Bench, link: Transport) -> None:
    assert isinstance(link, HalfOpen)
    link.dead = True


def _arm(bench: Bench, link: Transport) -> None:
    assert isinstance(link, SpoilsOneLine)
    link.armed = True


CELLS: dict[str, Cell] = {
    "no fault": Cell(ends=FINISHED),
    "lines dropped": replace(_spoiled(LinkFaults(out=ChunkFaults(drop=0.02))), needs=("has_checksums",)),
    "lines garbled": replace(_spoiled(LinkFaults(out=ChunkFaults(garble=0.02))), needs=("has_checksums",)),
    "lines doubled": replace(_spoiled(LinkFaults(out=ChunkFaults(duplicate=0.02))), needs=("checks_order",)),
    "answers dropped": _spoiled(LinkFaults(into=ChunkFaults(drop=0.02))),
    "answers garbled": _spoiled(LinkFaults(into=ChunkFaults(garble=0.02))),
    "answers doubled": replace(_spoiled(LinkFaults(into=ChunkFaults(duplicate=0.02))), needs=("checks_order",)),
    "everything late": replace(
        _spoiled(LinkFaults(out=ChunkFaults(delay_s=0.2), into=ChunkFaults(delay_s=0.2))), ends=FINISHED
    ),
    "all at once": replace(
        _spoiled(
            LinkFaults(
                out=ChunkFaults(garble=0.01, drop=0.01, duplicate=0.01, delay_s=0.02),
                into=ChunkFaults(garble=0.005, drop=0.005, delay_s=0.02),
            )
        ),
        needs=("has_checksums", "checks_order"),
    ),
    "link breaks": replace(_spoiled(LinkFaults(out=ChunkFaults(reset=0.05))), ends=FINISHED | INTERRUPTED),
    "ok lost": Cell(machine=("lost-ok@{line}", "lost-ok@{line}")),
    "line ends doubled": Cell(ends=FINISHED, link=DoubledLineEnds),
    "one line spoiled for ever": Cell(
        ends=INTERRUPTED,
        link=lambda inner, rng: SpoilsOneLine(inner, after=rng.randint(2, 20)),
        strike=_arm,
        needs=("has_checksums",),
    ),
    "one line spoiled thrice": Cell(
        ends=FINISHED,
        link=lambda inner, rng: SpoilsOneLine(inner, after=rng.randint(2, 20), times=3),
        strike=_arm,
        needs=("has_checksums",),
    ),
    "board reset": Cell(ends=INTERRUPTED, strike=_reset),
    "unplugged": Cell(ends=INTERRUPTED, strike=lambda bench, link: bench.link.unplug()),
    "half open": Cell(ends=INTERRUPTED, link=lambda inner, rng: HalfOpen(inner), strike=_die),
    "silent for a while": Cell(machine=("silence@{line}:4",), needs=("has_checksums",)),
    "silent for ever": Cell(ends=INTERRUPTED, machine=("silence@{line}",)),
}
"""By name; a plug-in adds cells of its own in `more_cells`."""


def seeds() -> range:
    """The seeds each cell is tried with."""
    first = int(os.environ.get("FAULT_FIRST_SEED", "0"))
    return range(first, first + int(os.environ.get("FAULT_SEEDS", "2")))


class FaultMatrix:
    """The cells. `subject` is set by the class that inherits."""

    subject: Subject

    @pytest.mark.parametrize("name", CELLS)
    def test_exactly_the_program_or_a_named_end(self, name: str) -> None:
        cell = CELLS[name]
        for claim in cell.needs:
            if not getattr(self.subject, claim):
                pytest.skip(f"not claimed: {claim}")
        for seed in seeds():
            run(live_through(self.subject, cell, seed), limit_s=CELL_LIMIT_S, strict=True)


async def live_through(subject: Subject, cell: Cell, seed: int) -> EndKind:
    """One run of the subject's program under one fault; asserts what must hold, and gives how it ended."""
    rng = random.Random(f"matrix/{seed}")
    links: list[Transport] = []

    def bad_link(inner: Transport) -> Transport:
        links.append(inner if cell.link is None else cell.link(inner, rng))
        return links[-1]

    lines = len(subject.cleaned(subject.program))
    faults = [read_fault(text.format(line=rng.randint(SOME_LINES, lines - SOME_LINES))) for text in cell.machine]

    def bad_machine(machine_seed: int) -> SimulatedMachine:
        machine = subject.make_machine(machine_seed)
        return FaultyMachine(machine, faults, seed=machine_seed) if faults else machine

    bench = Bench(replace(subject, make_machine=bad_machine), seed=seed, wrap=bad_link)
    await bench.connect()
    await bench.start()
    if cell.strike is not None:
        await bench.until_lines(SOME_LINES)
        if not bench.recorder.ends:
            cell.strike(bench, links[-1])
    kind, reason, progress = await bench.end()
    expected = subject.cleaned(subject.program)
    done = bench.program_lines()
    told = f"seed {seed}: {kind} {reason!r}"
    assert done == expected[: len(done)], told
    assert kind in cell.ends, told
    if kind is EndKind.FINISHED:
        assert done == expected, f"{told}: finished too early"
    else:
        assert reason, told
        assert 0 <= progress.acknowledged_line <= progress.sent_line, told
    bench.link.wake()
    before = len(bench.program_lines())
    await bench.clock.sleep(AFTERWARDS_S)
    bench.link.wake()
    assert len(bench.program_lines()) <= before + _still_held(subject, before, expected), told
    assert bench.program_lines() == expected[: len(bench.program_lines())], told
    await bench.driver.close()
    bench.finish()
    return kind


def _still_held(subject: Subject, before: int, expected: list[str]) -> int:
    """Lines that a machine may have taken before the end and executes afterwards; not one more was sent."""
    return min(len(expected) - before, subject.holds_lines)
