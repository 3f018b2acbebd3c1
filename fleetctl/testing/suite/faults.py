"""What every driver must do when the machine or the link misbehaves, tried under the virtual clock.

Pass means: the machine executed exactly the program, or a beginning of it and the run ended with a named reason;
never a skipped, doubled or reordered line, never a wait without end. It must not know any firmware.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from fleetctl.driver.api import EndKind
from fleetctl.errors import LinkError, MachineError
from fleetctl.model.machine import Activity
from fleetctl.testing.faults import ChunkFaults, FaultyTransport, LinkFaults
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite.bench import Bench, ends_with_its_line
from fleetctl.testing.suite.subject import Subject
from fleetctl.transport.base import Transport

SOME_LINES = 8
SEEDS = range(4)


class FaultSuite:
    """The tests. `subject` is set by the class that inherits."""

    subject: Subject

    async def running(self) -> Bench:
        """A bench in the middle of a run."""
        bench = Bench(self.subject)
        await bench.connect()
        await bench.start()
        await bench.until_lines(SOME_LINES)
        return bench

    # The machine

    @under_virtual_clock()
    async def test_i12_a_reset_during_a_run_interrupts_it_and_starts_nothing(self) -> None:
        bench = await self.running()
        bench.machine.inject("reset", bench.link.now_s())
        bench.link.wake()
        kind, reason, _ = await bench.end()
        assert kind is EndKind.INTERRUPTED
        assert reason
        assert bench.recorder.position_lost
        bench.link.wake()
        lines, at_rest_mm = len(bench.executed), bench.machine.position_mm
        await bench.clock.sleep(600.0)
        bench.link.wake()
        assert len(bench.executed) == lines
        assert bench.machine.position_mm == at_rest_mm
        assert bench.machine.is_safe
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_a_fault_ends_the_run_once_and_is_told(self) -> None:
        bench = await self.running()
        bench.machine.inject(self.subject.fault, bench.link.now_s())
        bench.link.wake()
        lines = len(bench.executed)
        kind, reason, _ = await bench.end()
        assert kind is self.subject.fault_end
        assert reason
        assert any(activity is Activity.FAULT and why for activity, why, _ in bench.recorder.activities)
        await bench.clock.sleep(600.0)
        assert len(bench.executed) == lines
        assert bench.machine.is_safe
        with pytest.raises(MachineError):
            await bench.start()
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_i14_a_fault_is_cleared_only_when_asked(self) -> None:
        bench = await self.running()
        bench.machine.inject(self.subject.fault, bench.link.now_s())
        bench.link.wake()
        await bench.end()
        await bench.clock.sleep(60.0)
        assert bench.recorder.now is Activity.FAULT
        if self.subject.clears_fault:
            await bench.driver.clear_fault()
        else:
            with pytest.raises(MachineError):
                await bench.driver.clear_fault()
            bench.machine.reset(bench.link.now_s())
            bench.link.wake()
        await bench.until(lambda: bench.recorder.now is Activity.IDLE, 60.0)
        bench.executed.clear()
        bench.recorder.ends.clear()
        await bench.start()
        kind, _, _ = await bench.end()
        assert kind is EndKind.FINISHED
        assert bench.program_lines() == self.subject.cleaned(self.subject.program)
        await bench.driver.close()
        bench.finish()

    # The link

    @under_virtual_clock()
    async def test_unplugging_ends_the_run_once_and_then_the_link(self) -> None:
        bench = await self.running()
        bench.link.unplug()
        kind, reason, progress = await bench.end()
        assert kind is EndKind.INTERRUPTED
        assert reason
        assert progress.acknowledged_line >= SOME_LINES
        assert ends_with_its_line(progress, self.subject.program)
        assert len(bench.recorder.losses) == 1
        assert bench.recorder.calls.index("ended") < bench.recorder.calls.index("lost")
        await bench.driver.close()
        assert len(bench.recorder.losses) == 1
        bench.finish()

    @under_virtual_clock()
    async def test_i12_connecting_again_resumes_nothing(self) -> None:
        bench = await self.running()
        bench.link.unplug()
        await bench.until(lambda: bench.recorder.losses)
        await bench.clock.sleep(120.0)
        lines = len(bench.executed)
        bench.link.plug_in()
        bench.make_driver()
        await bench.connect()
        await bench.clock.sleep(600.0)
        assert len(bench.executed) == lines
        assert bench.recorder.ends == []
        await bench.driver.make_safe()
        assert bench.machine.is_safe
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_closing_ends_the_run_once(self) -> None:
        bench = await self.running()
        await bench.driver.close()
        assert [kind for kind, _, _ in bench.recorder.ends] == [EndKind.INTERRUPTED]
        assert bench.recorder.losses == []
        bench.finish()

    @under_virtual_clock()
    async def test_a_verb_that_waits_ends_with_the_link(self) -> None:
        bench = Bench(self.subject)
        await bench.connect()
        asyncio.get_running_loop().call_soon(bench.link.unplug)
        with pytest.raises((LinkError, MachineError)):
            await bench.driver.make_safe()
        assert len(bench.recorder.losses) == 1
        bench.finish()

    @pytest.mark.parametrize("seed", SEEDS)
    @under_virtual_clock()
    async def test_i6_spoiled_lines_are_repeated_when_asked_for(self, seed: int) -> None:
        if not self.subject.has_checksums:
            pytest.skip("not claimed: checksums")
        faults = LinkFaults(out=ChunkFaults(garble=0.02, drop=0.01))
        kind = await self._run_under(faults, seed)
        assert kind in (EndKind.FINISHED, EndKind.INTERRUPTED)

    @pytest.mark.parametrize("seed", SEEDS)
    @under_virtual_clock()
    async def test_i6_lost_answers_never_double_or_skip_a_line(self, seed: int) -> None:
        await self._run_under(LinkFaults(into=ChunkFaults(drop=0.01)), seed)

    @pytest.mark.parametrize("seed", SEEDS)
    @under_virtual_clock()
    async def test_late_bytes_change_nothing(self, seed: int) -> None:
        slow = ChunkFaults(delay_s=0.05)
        assert await self._run_under(LinkFaults(out=slow, into=slow), seed) is EndKind.FINISHED

    async def _run_under(self, faults: LinkFaults, seed: int) -> EndKind:
        """One run with a bad link after a good greeting; gives how it ended."""
        links: list[FaultyTransport] = []

        def spoil(inner: Transport) -> Transport:
            links.append(FaultyTransport(inner, LinkFaults(), random.Random(seed)))
            return links[-1]

        bench = Bench(self.subject, seed=seed, wrap=spoil)
        await bench.connect()
        links[-1]._faults = faults
        await bench.start()
        kind, reason, progress = await bench.end()
        expected = self.subject.cleaned(self.subject.program)
        done = bench.program_lines()
        assert done == expected[: len(done)], f"seed {seed}: {kind} {reason}"
        if kind is EndKind.FINISHED:
            assert done == expected, f"seed {seed}: finished too early"
        else:
            assert reason
            assert progress.acknowledged_line >= 0
            assert ends_with_its_line(progress, self.subject.program), f"seed {seed}: {progress}"
        links[-1].rest()
        await bench.driver.close()
        bench.finish()
        return kind
