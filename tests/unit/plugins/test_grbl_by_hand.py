"""Overrides, work offsets and probing by hand at a Grbl, against the pretend one."""

from __future__ import annotations

import re

import pytest
from fleetctl_plugins.grbl.simulator import GrblSimulator

from fleetctl.driver.api import EndKind, Probes, SetsOffsetOrigins, SetsWorkOffsets, TakesOverrides
from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.plugins.test_grbl_jogging import WITHIN, Hand


class Mill(Hand):
    """The same person, with the driver's other facets."""

    overrides: TakesOverrides
    offsets: SetsWorkOffsets
    probes: Probes

    async def ready(self) -> None:
        await self.connect()
        driver = self.bench.driver
        assert isinstance(driver, TakesOverrides)
        assert isinstance(driver, SetsWorkOffsets)
        assert isinstance(driver, Probes)
        self.overrides, self.offsets, self.probes = driver, driver, driver

    @property
    def mill(self) -> GrblSimulator:
        assert isinstance(self.machine, GrblSimulator)
        return self.machine


# Overrides


@pytest.mark.parametrize("what", ["feed", "spindle"])
@pytest.mark.parametrize("percent", [87, 137, 10, 200, 99, 100])
def test_an_override_reaches_its_value_and_is_told(what: str, percent: float) -> None:
    @under_virtual_clock()
    async def set_it() -> None:
        mill = Mill()
        await mill.ready()
        await mill.bench.start()
        await mill.bench.until_lines(2)
        await mill.overrides.override(what, percent)  # type: ignore[arg-type]
        assert mill.mill.override_percent[what] == percent
        assert mill.bench.recorder.latest.overrides_percent[what] == percent
        if percent < 50:
            await mill.overrides.override(what, 150.0)  # type: ignore[arg-type]
        kind, reason, _ = await mill.bench.end()
        assert kind is EndKind.FINISHED, reason
        assert mill.mill.override_percent[what] == 100  # M30
        await mill.bench.clock.sleep(30.0)  # which tells it no sooner than with every tenth report
        assert mill.bench.recorder.latest.overrides_percent[what] == 100
        await mill.close()

    set_it()


@under_virtual_clock()
async def test_rapids_have_three_steps() -> None:
    mill = Mill()
    await mill.ready()
    for percent in (50.0, 25.0, 100.0, 100.0):
        await mill.overrides.override("rapid", percent)
        assert mill.mill.override_percent["rapid"] == percent
    for what, refused in (("rapid", 60.0), ("feed", 9.0), ("feed", 201.0), ("flow", 100.0)):
        with pytest.raises(UsageError):
            await mill.overrides.override(what, refused)  # type: ignore[arg-type]
    await mill.close()


@under_virtual_clock()
async def test_a_later_value_takes_the_place_of_an_earlier_one() -> None:
    import asyncio

    mill = Mill()
    await mill.ready()
    earlier = asyncio.create_task(mill.overrides.override("feed", 200.0))
    await mill.bench.clock.sleep(0.2)
    await mill.overrides.override("feed", 95.0)
    with pytest.raises(MachineError, match="another value"):
        await earlier
    assert mill.mill.override_percent["feed"] == 95
    await mill.close()


@under_virtual_clock()
async def test_an_override_that_nobody_hears_fails_in_time() -> None:
    mill = Mill()
    await mill.ready()
    mill.bench.link.latency_s = 3600.0
    began_s = mill.bench.clock.monotonic()
    with pytest.raises(MachineError):
        await mill.overrides.override("feed", 50.0)
    assert mill.bench.clock.monotonic() - began_s < 10.0
    with pytest.raises(MachineError, match="fault"):
        await mill.overrides.override("feed", 50.0)
    await mill.close()


# Work offsets


@under_virtual_clock()
async def test_here_becomes_zero_of_a_frame_and_is_read_back() -> None:
    mill = Mill()
    await mill.ready()
    assert (await mill.offsets.work_offsets())["G55"] == (0.0, 0.0, 0.0)
    stored = await mill.offsets.set_work_offset("G55", {"X": 0.0, "Y": 10.0})
    assert stored["G55"] == pytest.approx((-100.0, -110.0, 0.0))
    assert mill.mill.offsets.work[1] == pytest.approx((-100.0, -110.0, 0.0))
    assert stored["G54"] == (0.0, 0.0, 0.0)
    await mill.close()


@under_virtual_clock()
async def test_the_active_units_are_heeded_and_kept() -> None:
    """G10 L20 takes its numbers in inches after G20 (gcode.c)."""
    mill = Mill()
    await mill.ready()
    await mill.bench.driver.command("G20")
    stored = await mill.offsets.set_work_offset("G54", {"Z": 12.7})
    assert stored["G54"][2] == pytest.approx(-20.0 - 12.7, abs=0.002)
    assert "G20" in " ".join(await mill.bench.driver.command("$G"))
    await mill.close()


@under_virtual_clock()
async def test_a_controller_that_reports_in_inches_is_understood() -> None:
    mill = Mill(settings="22=0,13=1,120=200,121=200,122=200")
    await mill.ready()
    stored = await mill.offsets.set_work_offset("G54", {"X": 0.0})
    assert stored["G54"][0] == pytest.approx(-100.0, abs=0.03)
    await mill.close()


@under_virtual_clock()
async def test_nothing_is_lost_while_the_settings_memory_is_written() -> None:
    mill = Mill(eeprom_write_s=0.3)
    await mill.ready()
    await mill.offsets.set_work_offset("G59", {"X": 1.0, "Y": 2.0, "Z": 3.0})
    assert mill.mill.lost_bytes <= 2  # a status query may be; no line
    assert mill.mill.offsets.work[5] == pytest.approx((-101.0, -102.0, -23.0))
    await mill.close()


@under_virtual_clock()
async def test_offsets_are_not_touched_during_a_run_nor_with_nonsense() -> None:
    mill = Mill()
    await mill.ready()
    nonsense: list[dict[str, float]] = [{}, {"E": 0.0}, {"X": float("nan")}, {"X": 1e300}, {"Z": -float("inf")}]
    for frame, axes in (("G53", {"X": 0.0}), *(("G54", each) for each in nonsense)):
        with pytest.raises(UsageError):
            await mill.offsets.set_work_offset(frame, axes)
    await mill.bench.start()
    await mill.bench.until_lines(2)
    with pytest.raises(MachineBusy):
        await mill.offsets.set_work_offset("G54", {"X": 0.0})
    with pytest.raises(MachineBusy):
        await mill.offsets.work_offsets()
    kind, reason, _ = await mill.bench.end()
    assert kind is EndKind.FINISHED, reason
    await mill.close()


@pytest.mark.parametrize("garbled", ["1.0.0,0.000,0.000", "0.000,0.000", "nan,0.000,0.000", ""])
def test_an_answer_that_cannot_be_read_is_told_and_costs_no_link(garbled: str) -> None:
    @under_virtual_clock()
    async def told() -> None:
        mill = Mill(probe_z_mm=-26.5)
        await mill.ready()
        said = mill.mill.say
        kinds = re.compile(r"(?<=\[G55:)[^\]]*|(?<=\[PRB:)[^:]*")
        mill.mill.say = lambda text: said(kinds.sub(garbled, text))  # type: ignore[method-assign]
        with pytest.raises(MachineError, match="could not be read"):
            await mill.offsets.work_offsets()
        with pytest.raises(MachineError, match=r"cannot be read|no contact was reported"):
            await mill.probes.probe("Z", -1, 10.0, 1.0, within=WITHIN)
        mill.mill.say = said  # type: ignore[method-assign]
        await mill.bench.clock.sleep(2.0)
        assert (await mill.offsets.work_offsets())["G55"] == (0.0, 0.0, 0.0)
        assert mill.bench.recorder.now is Activity.IDLE
        await mill.close()

    told()


@under_virtual_clock()
async def test_zero_is_put_where_a_probe_was_and_the_tool_need_not_be_there() -> None:
    for settings in ("", "13=1"):
        mill = Mill(settings=settings) if settings else Mill()
        await mill.ready()
        await mill.bench.driver.command("G20" if settings else "G21")
        driver = mill.bench.driver
        assert isinstance(driver, SetsOffsetOrigins)
        stored = await driver.set_offset_origin("G55", {"Z": -31.2})
        assert stored["G55"] == pytest.approx((0.0, 0.0, -31.2), abs=0.01)
        assert stored["G54"] == pytest.approx((0.0, 0.0, 0.0))
        with pytest.raises(UsageError):
            await driver.set_offset_origin("G55", {})
        await mill.close()


# Probing


@under_virtual_clock()
async def test_a_contact_is_a_measurement_and_the_modes_are_as_before() -> None:
    mill = Mill(probe_z_mm=-26.5)
    await mill.ready()
    before = await mill.bench.driver.command("$G")
    found = await mill.probes.probe("Z", -1, 10.0, 1.0, within=WITHIN)
    assert found == pytest.approx({"X": -100.0, "Y": -100.0, "Z": -26.5})
    assert await mill.bench.driver.command("$G") == before
    assert mill.mill.offsets.work[0] == (0.0, 0.0, 0.0)  # nothing is set by it
    await mill.bench.clock.sleep(2.0)
    assert mill.bench.recorder.now is Activity.IDLE
    await mill.close()


@under_virtual_clock()
async def test_no_contact_is_a_failed_probe_and_an_alarm_that_a_person_clears() -> None:
    mill = Mill(probe_z_mm=-40.0)
    await mill.ready()
    with pytest.raises(MachineError, match="ALARM:5"):
        await mill.probes.probe("Z", -1, 5.0, 2.0, within=WITHIN)
    assert mill.bench.recorder.now is Activity.FAULT
    assert not mill.bench.recorder.position_lost
    await mill.bench.clock.sleep(60.0)
    assert mill.bench.recorder.now is Activity.FAULT  # I14: nothing unlocks by itself
    await mill.bench.driver.clear_fault()
    await mill.bench.clock.sleep(2.0)
    assert mill.bench.recorder.now is Activity.IDLE
    await mill.close()


@under_virtual_clock()
async def test_a_probe_that_would_leave_the_travel_or_makes_no_sense_is_not_begun() -> None:
    mill = Mill(probe_z_mm=-40.0)
    await mill.ready()
    await mill.bench.clock.sleep(2.0)
    heard = mill.mill.executed.count
    with pytest.raises(MachineError, match="it reaches"):
        await mill.probes.probe("Z", -1, 30.0, 2.0, within=WITHIN)
    for axis, direction, distance, feed in (("A", -1, 1.0, 1.0), ("Z", 0, 1.0, 1.0), ("Z", -1, 0.0, 1.0),
                                            ("Z", -1, 101.0, 1.0), ("Z", -1, 1.0, 11.0)):  # fmt: skip
        with pytest.raises(UsageError):
            await mill.probes.probe(axis, direction, distance, feed)
    assert mill.mill.executed.count == heard
    await mill.close()


@under_virtual_clock()
async def test_a_probe_that_is_closed_before_it_moves_is_refused_with_the_reason_and_moves_nothing() -> None:
    mill = Mill(probe_z_mm=-26.5)
    await mill.ready()
    await mill.bench.clock.sleep(2.0)
    assert mill.bench.recorder.latest.switches_closed == ()
    await mill.probes.probe("Z", -1, 10.0, 1.0, within=WITHIN)
    await mill.bench.clock.sleep(2.0)
    assert mill.bench.recorder.latest.switches_closed == ("probe",)
    heard = mill.mill.executed.count
    with pytest.raises(MachineError, match=r"closed already"):
        await mill.probes.probe("Z", -1, 1.0, 1.0, within=WITHIN)
    assert mill.mill.executed.count == heard
    assert mill.bench.recorder.now is Activity.IDLE
    await mill.close()


@under_virtual_clock()
async def test_a_probe_that_closes_after_the_last_report_is_refused_all_the_same() -> None:
    mill = Mill(probe_z_mm=-26.5)
    await mill.ready()
    await mill.bench.clock.sleep(2.0)
    mill.bench.machine.inject("probe", mill.bench.link.now_s())
    with pytest.raises(MachineError, match=r"closed already"):
        await mill.probes.probe("Z", -1, 10.0, 1.0, within=WITHIN)
    await mill.bench.clock.sleep(2.0)
    assert mill.bench.recorder.now is Activity.IDLE  # ALARM:4 never came
    mill.bench.machine.inject("probe", mill.bench.link.now_s())
    await mill.bench.clock.sleep(2.0)
    assert (await mill.probes.probe("Z", -1, 10.0, 1.0, within=WITHIN))["Z"] == pytest.approx(-26.5)
    await mill.close()
