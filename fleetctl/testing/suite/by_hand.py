"""What a driver must do that lets a person move, heat and probe a machine by hand, tried against its own simulator.

Inherit `ByHandSuite` beside `DriverSuite`. What a machine does not claim is skipped by name.
"""

from __future__ import annotations

import pytest

from fleetctl.driver.api import (
    Driver,
    Heats,
    Jogs,
    Probes,
    SetsWorkOffsets,
    TakesOverrides,
)
from fleetctl.errors import FleetctlError, MachineBusy
from fleetctl.model.profile import Envelope
from fleetctl.protocol.jogging import STOP_WITHIN_S, VALID_S
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite.bench import Bench
from fleetctl.testing.suite.subject import Subject

BEAT_S = 0.08
BEATS = 8
SPEED_MM_S = 2.0
SOME_LINES = 8


class ByHandSuite:
    """The tests. `subject` is set by the class that inherits."""

    subject: Subject

    async def homed(self) -> tuple[Bench, Driver, Jogs, Envelope]:
        """A connected, homed machine that can be jogged, and how far it reaches."""
        bench = Bench(self.subject)
        await bench.connect()
        driver, within = bench.driver, self.subject.profile.envelope
        if not driver.capabilities.jog or within is None:
            await driver.close()
            bench.finish()
            pytest.skip("not claimed: jog")
        assert isinstance(driver, Jogs)
        try:
            await driver.home()
        except FleetctlError:
            pass  # a machine without switches stands where it was switched on
        return bench, driver, driver, within

    @under_virtual_clock()
    async def test_what_is_claimed_is_there(self) -> None:
        bench = Bench(self.subject)
        can = bench.driver.capabilities
        claims = (
            (can.jog, Jogs),
            (can.override, TakesOverrides),
            (can.heat, Heats),
            (can.set_work_offsets, SetsWorkOffsets),
            (can.probe, Probes),
        )
        for claimed, facet in claims:
            assert not claimed or isinstance(bench.driver, facet), facet
        bench.finish()

    @under_virtual_clock()
    async def test_a_held_key_moves_and_whoever_vanishes_leaves_the_tool_at_rest(self) -> None:
        bench, driver, mover, within = await self.homed()
        before_mm = bench.machine.position_mm
        towards = 1.0 if before_mm[0] < (within.least_mm[0] + within.greatest_mm[0]) / 2 else -1.0
        for _ in range(BEATS):
            last_beat_s = bench.clock.monotonic()
            mover.jog({"X": SPEED_MM_S * towards}, VALID_S, within=within)
            await bench.clock.sleep(BEAT_S)
        await bench.clock.sleep_until(last_beat_s + STOP_WITHIN_S)
        bench.link.wake()
        at_mm = bench.machine.position_mm
        assert (at_mm[0] - before_mm[0]) * towards > 0
        await bench.clock.sleep(5.0)
        bench.link.wake()
        assert bench.machine.position_mm == at_mm
        await driver.close()
        bench.finish()

    @under_virtual_clock()
    async def test_nobody_moves_it_by_hand_during_a_run(self) -> None:
        bench, driver, mover, within = await self.homed()
        await bench.start()
        await bench.until_lines(SOME_LINES)
        with pytest.raises(MachineBusy):
            mover.jog({"X": SPEED_MM_S}, VALID_S, within=within)
        with pytest.raises(MachineBusy):
            await mover.jog_step({"X": 1.0}, SPEED_MM_S, within=within)
        mover.jog({}, 0.0)
        await bench.end()
        assert bench.program_lines()[-len(self.subject.cleaned(self.subject.program)) :] == self.subject.cleaned(
            self.subject.program
        )
        await driver.close()
        bench.finish()
