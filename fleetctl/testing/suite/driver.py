"""What every driver must do, tried against its own simulator under the virtual clock.

Inherit `DriverSuite` in a test file, name the subject, and run pytest. What a machine does not claim is skipped by
name. It must not know any firmware: everything particular is in the subject.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from fleetctl.driver.api import Capabilities, EndKind, Facet
from fleetctl.errors import FleetctlError, LinkError, MachineBusy, MachineError, OperatorError
from fleetctl.model.machine import Activity
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite.bench import Bench, Source, ends_with_its_line
from fleetctl.testing.suite.subject import Subject

LONG_S = 600.0
SOME_LINES = 8


class DriverSuite:
    """The tests. `subject` is set by the class that inherits."""

    subject: Subject

    def bench(self) -> Bench:
        """A fresh bench; called inside a running virtual loop."""
        return Bench(self.subject)

    async def connected(self) -> Bench:
        """A bench whose driver is connected."""
        bench = self.bench()
        await bench.connect()
        return bench

    async def running(self, program: bytes | None = None) -> Bench:
        """A bench in the middle of a run."""
        bench = await self.connected()
        await bench.start(program)
        await bench.until_lines(SOME_LINES)
        return bench

    # Connecting

    @under_virtual_clock()
    async def test_connecting_identifies_and_moves_nothing(self) -> None:
        bench = self.bench()
        before_mm = bench.machine.position_mm
        identity = await bench.connect()
        assert identity.firmware
        assert bench.recorder.now is Activity.IDLE
        assert bench.executed == []
        assert bench.machine.position_mm == before_mm
        assert bench.machine.is_safe
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_connecting_to_silence_fails_in_time(self) -> None:
        bench = self.bench()
        bench.link.latency_s = LONG_S
        began_s = bench.clock.monotonic()
        with pytest.raises(LinkError) as failure:
            await bench.connect()
        assert bench.clock.monotonic() - began_s < 31.0
        assert failure.value.message
        assert bench.recorder.losses == []
        bench.link.latency_s = 0.001
        bench.make_driver()
        await bench.connect()
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_closing_twice_is_harmless(self) -> None:
        bench = await self.connected()
        await bench.driver.close()
        await bench.driver.close()
        assert bench.recorder.losses == []
        with pytest.raises(LinkError):
            await bench.start()
        bench.finish()

    @under_virtual_clock()
    async def test_i14_an_idle_machine_is_left_alone(self) -> None:
        bench = await self.connected()
        await bench.clock.sleep(LONG_S)
        assert bench.executed == []
        assert bench.machine.is_safe
        assert bench.recorder.now is Activity.IDLE
        await bench.driver.close()
        bench.finish()

    # Runs

    @under_virtual_clock()
    async def test_a_run_executes_exactly_the_program(self) -> None:
        bench = await self.connected()
        await bench.start()
        kind, _, progress = await bench.end()
        expected = self.subject.cleaned(self.subject.program)
        assert kind is EndKind.FINISHED
        assert bench.executed[: len(expected)] == expected
        assert set(bench.executed[len(expected) :]) <= self.subject.sync_lines
        assert progress.acknowledged_line == progress.sent_line > 0
        assert bench.recorder.now is Activity.IDLE
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_finished_means_that_motion_is_done(self) -> None:
        bench = await self.connected()
        await bench.start()
        await bench.until(lambda: bench.recorder.ends)
        at_end_mm = bench.machine.position_mm
        await bench.clock.sleep(60.0)
        bench.link.wake()
        assert bench.machine.position_mm == at_end_mm
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_progress_grows_and_is_told_at_most_every_100_ms(self) -> None:
        bench = await self.connected()
        await bench.start()
        await bench.end()
        lines = [progress.acknowledged_line for _, progress in bench.recorder.progresses]
        assert lines == sorted(lines)
        assert all(ends_with_its_line(progress, self.subject.program) for _, progress in bench.recorder.progresses)
        assert lines[-1] == bench.recorder.ends[0][2].acknowledged_line
        times_s = [at_s for at_s, _ in bench.recorder.progresses[:-1]]
        gaps_s = [later - earlier for earlier, later in pairwise(times_s)]
        assert min(gaps_s, default=1.0) > 0.099
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_two_runs_one_after_the_other(self) -> None:
        bench = await self.connected()
        for _ in range(2):
            bench.executed.clear()
            bench.recorder.ends.clear()
            await bench.start()
            kind, _, _ = await bench.end()
            assert kind is EndKind.FINISHED
            assert bench.program_lines() == self.subject.cleaned(self.subject.program)
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_an_empty_program_ends(self) -> None:
        bench = await self.connected()
        await bench.start(b"; nothing to do\n")
        kind, _, _ = await bench.end()
        assert kind is EndKind.FINISHED
        assert set(bench.executed) <= self.subject.sync_lines
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_a_second_start_is_refused(self) -> None:
        bench = await self.running()
        with pytest.raises(MachineBusy):
            await bench.start()
        await bench.driver.cancel()
        await bench.end()
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_pause_holds_and_resume_goes_on(self) -> None:
        self._claimed(Facet.STREAM, self._capabilities().pause)
        bench = await self.running()
        await bench.driver.pause()
        await bench.until(lambda: bench.recorder.now is Activity.PAUSED, 60.0)
        at_rest_mm, lines = bench.machine.position_mm, len(bench.executed)
        await bench.clock.sleep(LONG_S)
        bench.link.wake()
        assert bench.machine.position_mm == at_rest_mm
        assert len(bench.executed) == lines
        assert bench.recorder.ends == []
        await bench.driver.resume()
        kind, _, _ = await bench.end()
        assert kind is EndKind.FINISHED
        expected = self.subject.cleaned(self.subject.program)
        added = self.subject.sync_lines
        assert [line for line in bench.executed if line not in added] == [
            line for line in expected if line not in added
        ]
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_cancel_ends_the_run_with_everything_off(self) -> None:
        bench = await self.running()
        await bench.driver.cancel()
        kind, reason, _ = await bench.end()
        assert kind is EndKind.CANCELLED
        assert reason
        assert bench.machine.is_safe
        lines = len(bench.executed)
        await bench.clock.sleep(LONG_S)
        assert len(bench.executed) == lines
        assert not bench.recorder.position_lost
        assert bench.recorder.now is Activity.IDLE
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_a_paused_run_can_be_cancelled(self) -> None:
        self._claimed(Facet.STREAM, self._capabilities().pause)
        bench = await self.running()
        await bench.driver.pause()
        await bench.until(lambda: bench.recorder.now is Activity.PAUSED, 60.0)
        await bench.driver.cancel()
        kind, _, _ = await bench.end()
        assert kind is EndKind.CANCELLED
        assert bench.machine.is_safe
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_a_paused_run_is_made_safe_and_goes_on_as_before(self) -> None:
        self._claimed(Facet.STREAM, self._capabilities().pause)
        bench = await self.running()
        await bench.driver.pause()
        await bench.until(lambda: bench.recorder.now is Activity.PAUSED, 60.0)
        before, line = bench.machine.outputs, bench.recorder.progresses[-1][1].acknowledged_line
        assert not bench.machine.is_safe
        await bench.driver.make_safe()
        await bench.clock.sleep(1.0)
        assert bench.machine.is_safe
        if not self.subject.safe_in_pause:
            assert (await bench.end())[0] is EndKind.CANCELLED
            await bench.driver.close()
            bench.finish()
            return
        assert bench.recorder.ends == []
        await bench.clock.sleep(LONG_S)
        await bench.driver.resume()
        await bench.until_lines(line + 2)
        assert bench.machine.outputs == before
        kind, _, _ = await bench.end()
        assert kind is EndKind.FINISHED
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_waiting_for_a_person_has_no_deadline(self) -> None:
        if self.subject.waiting_program is None:
            pytest.skip("not claimed: waiting for a person")
        bench = await self.connected()
        await bench.start(self.subject.waiting_program)
        await bench.until(lambda: bench.recorder.now is Activity.WAITING, 600.0)
        await bench.clock.sleep(8 * 3600.0)
        assert bench.recorder.ends == []
        assert bench.recorder.now is Activity.WAITING
        await bench.driver.resume()
        kind, _, _ = await bench.end()
        assert kind is EndKind.FINISHED
        added = self.subject.sync_lines
        expected = [line for line in self.subject.cleaned(self.subject.waiting_program) if line not in added]
        assert [line for line in bench.executed if line not in added][: len(expected)] == expected
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_a_program_that_cannot_be_read_on_fails_the_run(self) -> None:
        bench = await self.connected()
        try:
            await bench.driver.start(Source(self.subject.program, fails_at=len(self.subject.program) // 2))
        except MachineError as refused:  # a driver that looks at the machine first learns of it before it begins
            reason = str(refused)
            assert not bench.recorder.ends
            assert not bench.executed
        else:
            kind, reason, _ = await bench.end()
            assert kind is EndKind.FAILED
        assert "disk" in reason
        assert bench.machine.is_safe
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_i13_a_real_time_byte_in_a_program_fails_the_run_unsent(self) -> None:
        bench = await self.connected()
        first = self.subject.cleaned(self.subject.program)[0].encode()
        await bench.start(first + b"\n\xc2\x85\n" + self.subject.program)
        kind, reason, _ = await bench.end()
        assert kind is EndKind.FAILED
        assert "line 2" in reason
        assert set(bench.executed) <= {first.decode()} | self.subject.sync_lines | self.subject.safe_lines
        await bench.driver.close()
        bench.finish()

    # Verbs outside a run

    @under_virtual_clock()
    async def test_a_command_is_answered_and_refused_during_a_run(self) -> None:
        bench = await self.connected()
        question, answer = self.subject.question
        assert any(answer in line for line in await bench.driver.command(question))
        await bench.start()
        with pytest.raises(MachineBusy):  # a question may be answered, as far as it does not disturb the run
            await bench.driver.command(self.subject.switch_on)
        await bench.driver.cancel()
        await bench.end()
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_a_command_is_one_clean_line(self) -> None:
        bench = await self.connected()
        for text in ("", "G1 X1\nG1 X2", "G1 X1 \xb5", "\x18"):
            with pytest.raises(OperatorError):
                await bench.driver.command(text)
        assert bench.executed == []
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_make_safe_turns_everything_off(self) -> None:
        bench = await self.connected()
        await bench.driver.command(self.subject.switch_on)
        assert not bench.machine.is_safe
        await bench.driver.make_safe()
        bench.link.wake()
        assert bench.machine.is_safe
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_verbs_of_a_run_need_a_run(self) -> None:
        bench = await self.connected()
        for verb in (bench.driver.pause, bench.driver.resume, bench.driver.cancel):
            with pytest.raises(MachineError):
                await verb()
        assert bench.executed == []
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_what_is_not_claimed_is_refused(self) -> None:
        bench = await self.connected()
        capabilities = self._capabilities()
        unclaimed = [
            verb
            for claimed, verb in ((capabilities.pause, bench.driver.pause), (capabilities.home, bench.driver.home))
            if not claimed
        ]
        for verb in unclaimed:
            with pytest.raises(FleetctlError):
                await verb()
        assert bench.executed == []
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_stop_is_confirmed_and_ends_the_run_once(self) -> None:
        bench = await self.running()
        bench.driver.stop()
        assert await bench.driver.stopped() is self.subject.confirms_stop
        kind, reason, _ = await bench.end()
        assert kind is EndKind.INTERRUPTED
        assert "stop" in reason
        if not self.subject.confirms_stop:
            await bench.clock.sleep(120.0)
            bench.link.wake()
        lines = len(bench.executed)
        assert bench.machine.is_safe
        assert bench.recorder.position_lost
        await bench.clock.sleep(LONG_S)
        assert len(bench.executed) == lines
        await bench.driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_a_stop_without_a_link_never_raises(self) -> None:
        bench = self.bench()
        bench.driver.stop()
        assert not await bench.driver.stopped()
        await bench.connect()
        bench.link.unplug()
        await bench.until(lambda: bench.recorder.losses)
        bench.driver.stop()
        await asyncio.sleep(0)
        assert not await bench.driver.stopped()
        bench.finish()

    # Ours

    def _capabilities(self) -> Capabilities:
        return self.bench().driver.capabilities

    def _claimed(self, facet: Facet, claimed: bool) -> None:
        if not claimed or facet not in self._capabilities().facets:
            pytest.skip("not claimed")
