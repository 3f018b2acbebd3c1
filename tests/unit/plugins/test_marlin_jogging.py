"""Jogging a Marlin: short moves that end by themselves; steps; heat and overrides by hand."""

from __future__ import annotations

import contextlib

import pytest
from fleetctl_plugins.marlin.driver import DRIVER
from fleetctl_plugins.marlin.simulator import MarlinSimulator, as_executed, simulator

from fleetctl.driver.api import EndKind, Heats, Jogs, TakesOverrides
from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.model.profile import Envelope
from fleetctl.protocol.jogging import JogLimits, check_step
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Subject
from fleetctl.testing.suite.bench import Bench

BEAT_S = 0.08
VALID_S = 0.15
REST_WITHIN_S = 0.2
WITHIN = Envelope((0.0, 0.0, 0.0), (220.0, 220.0, 250.0))


def subject(**options: object) -> Subject:
    return Subject(
        driver=DRIVER,
        make_machine=lambda seed: simulator(seed, **options),
        program=b"G28\n" + b"G1 X10 F600\nG1 X1\n" * 40,
        cleaned=as_executed,
        switch_on="M104 S200",
        question=("M105", "T:"),
        fault="kill",
        fault_end=EndKind.FAILED,
        clears_fault=False,
        has_checksums=True,
    )


class Hand:
    """A person at a connected printer."""

    def __init__(self, **options: object) -> None:
        self.bench = Bench(subject(**options))
        machine = self.bench.machine
        assert isinstance(machine, MarlinSimulator)
        self.machine = machine

    async def connect(self, *, home: bool = True) -> Jogs:
        await self.bench.connect()
        driver = self.bench.driver
        assert isinstance(driver, Jogs)
        self.driver = driver
        if home:
            await self.bench.driver.home()
            await self.step({"X": 100.0}, 100.0)
            await self.step({"Y": 90.0, "Z": 10.0}, 90.0)
            await self.bench.clock.sleep(5.0)
        return driver

    async def step(self, distance: dict[str, float], feed: float) -> None:
        await self.driver.jog_step(distance, feed, within=WITHIN)

    async def hold(self, velocity: dict[str, float], seconds: float) -> float:
        """Hold a key; gives when the last heartbeat went out. The hand is gone then, and nobody says so."""
        for _ in range(max(1, round(seconds / BEAT_S)) - 1):
            self.driver.jog(velocity, VALID_S, within=WITHIN)
            await self.bench.clock.sleep(BEAT_S)
        self.driver.jog(velocity, VALID_S, within=WITHIN)
        return self.bench.clock.monotonic()

    def here_mm(self) -> tuple[float, float, float]:
        self.bench.link.wake()
        return self.machine.planner.position(self.machine.now_s)

    async def rests(self, last_beat_s: float) -> None:
        """Where it stands 200 ms after the last heartbeat is where it stays, and the engine has seen it."""
        await self.bench.clock.sleep_until(last_beat_s + REST_WITHIN_S)
        at_mm = self.here_mm()
        await self.bench.clock.sleep(3.0)
        assert self.here_mm() == at_mm
        assert self.bench.recorder.now is Activity.IDLE

    async def close(self) -> None:
        await self.bench.driver.close()
        self.bench.finish()


@pytest.mark.parametrize("ping_pong", [True, False])
@pytest.mark.parametrize("velocity", [{"X": 44.0}, {"X": -20.0, "Y": 15.0}, {"Z": 2.9}, {"Y": 0.5}])
def test_a_hand_that_vanishes_leaves_the_tool_at_rest_within_200_ms(
    velocity: dict[str, float], ping_pong: bool
) -> None:
    @under_virtual_clock()
    async def held() -> None:
        hand = Hand(advanced_ok=not ping_pong)
        await hand.connect()
        began_mm = hand.here_mm()
        last_beat_s = await hand.hold(velocity, 1.0)
        await hand.rests(last_beat_s)
        for axis, there, here in zip("XYZ", hand.here_mm(), began_mm, strict=True):
            assert there - here == pytest.approx(velocity.get(axis, 0.0) * 1.05, rel=0.25, abs=1e-6)
        await hand.close()

    held()


@under_virtual_clock()
async def test_a_firmware_that_is_slower_than_its_profile_is_believed() -> None:
    """Else its queue would take longer than it is reckoned with, and the tool would travel on."""
    hand = Hand()
    await hand.connect(home=False)
    await hand.bench.driver.command("M203 X8")
    await hand.bench.driver.command("M204 T80")
    await hand.bench.driver.home()
    last_beat_s = await hand.hold({"X": 44.0}, 1.5)
    await hand.rests(last_beat_s)
    assert 1.0 < hand.here_mm()[0] < 8.0
    await hand.close()


@pytest.mark.parametrize("gone", ["closed", "cut", "let go"])
@pytest.mark.parametrize("held_s", [0.08, 0.4, 1.5])
def test_whoever_dies_leaves_no_long_motion(gone: str, held_s: float) -> None:
    @under_virtual_clock()
    async def died() -> None:
        hand = Hand()
        await hand.connect()
        last_beat_s = await hand.hold({"X": 80.0}, held_s)
        if gone == "closed":
            await hand.bench.driver.close()
        elif gone == "cut":
            hand.bench.link.latency_s = 3600.0
        else:
            hand.driver.jog({}, 0.0)
        await hand.bench.clock.sleep_until(last_beat_s + REST_WITHIN_S)
        at_mm = hand.here_mm()
        await hand.bench.clock.sleep(10.0)
        assert hand.here_mm() == at_mm
        await hand.bench.driver.close()
        hand.bench.finish()

    died()


@under_virtual_clock()
async def test_a_jog_ends_exactly_at_the_edge_and_comes_back() -> None:
    hand = Hand()
    await hand.connect()
    last_beat_s = await hand.hold({"X": 90.0}, 3.0)
    await hand.rests(last_beat_s)
    assert hand.here_mm()[0] == pytest.approx(220.0)
    last_beat_s = await hand.hold({"X": -20.0}, 0.5)
    await hand.rests(last_beat_s)
    assert hand.here_mm()[0] < 215.0
    await hand.close()


@under_virtual_clock()
async def test_the_modes_are_those_of_before_and_nothing_else_is_sent() -> None:
    hand = Hand()
    await hand.connect()
    hand.bench.executed.clear()
    last_beat_s = await hand.hold({"X": -10.0}, 0.3)
    await hand.rests(last_beat_s)
    moves = [line for line in hand.bench.executed if line.startswith("G1")]
    others = [line for line in hand.bench.executed if not line.startswith("G1")]
    assert others == ["G21", "G91", "G90", "M82", "M400"]
    assert len(moves) > 3
    assert all(line.startswith("G1 X-0.3 F600") for line in moves)
    assert not hand.machine.motion.relative and not hand.machine.motion.relative_e
    await hand.bench.driver.command("M83")
    last_beat_s = await hand.hold({"X": -10.0}, 0.3)
    await hand.rests(last_beat_s)
    assert hand.machine.motion.relative_e and not hand.machine.motion.relative
    await hand.close()


@under_virtual_clock()
async def test_a_millimetre_is_one_whatever_units_a_program_left() -> None:
    hand = Hand()
    await hand.connect()
    await hand.bench.driver.command("G20")
    before_mm = hand.here_mm()[0]
    await hand.step({"X": -4.0}, 10.0)
    await hand.bench.clock.sleep(5.0)
    assert hand.here_mm()[0] == pytest.approx(before_mm - 4.0)
    await hand.bench.driver.command("G20")
    last_beat_s = await hand.hold({"X": 10.0}, 0.4)
    await hand.rests(last_beat_s)
    assert hand.here_mm()[0] < before_mm + 4.0
    await hand.close()


@pytest.mark.parametrize("line", ["G92 X0", "g92 z5", "G92", "m84", "M206 X-10", "G55"])
def test_a_line_that_shifts_what_the_board_says_of_its_place_takes_the_bounds_away(line: str) -> None:
    """Bounds are of the machine; a board that was told another place, or can be pushed, says nothing of them."""

    @under_virtual_clock()
    async def shifted() -> None:
        hand = Hand()
        await hand.connect()
        await hand.bench.driver.command("G92 E0")
        hand.driver.jog({"X": 1.0}, VALID_S, within=WITHIN)
        await hand.bench.clock.sleep(2.0)
        with contextlib.suppress(MachineError):  # a build may not know it
            await hand.bench.driver.command(line)
        with pytest.raises(MachineError, match="knows where"):
            hand.driver.jog({"X": 10.0}, VALID_S, within=WITHIN)
        await hand.close()

    shifted()


@under_virtual_clock()
async def test_a_board_that_nobody_homed_takes_only_slow_short_steps() -> None:
    """It says X0 Y0 Z0 after it was switched on, wherever the tool stands."""
    hand = Hand()
    await hand.connect(home=False)
    with pytest.raises(MachineError, match="knows where"):
        hand.driver.jog({"X": 10.0}, VALID_S, within=WITHIN)
    with pytest.raises(MachineError, match="at most 5 mm"):
        await hand.step({"X": 6.0}, 5.0)
    await hand.step({"X": 5.0}, 5.0)
    await hand.bench.clock.sleep(2.0)
    assert hand.here_mm()[0] == pytest.approx(5.0)
    await hand.bench.driver.home()
    last_beat_s = await hand.hold({"X": 10.0}, 0.3)
    await hand.rests(last_beat_s)
    await hand.bench.driver.command("M84")  # motors off: the tool can be pushed
    with pytest.raises(MachineError, match="knows where"):
        hand.driver.jog({"X": 10.0}, VALID_S, within=WITHIN)
    await hand.close()


@under_virtual_clock()
async def test_a_step_is_broken_off_where_the_firmware_hears_it_and_the_position_is_suspect() -> None:
    hand = Hand()
    await hand.connect()
    await hand.step({"X": -80.0}, 20.0)
    await hand.bench.clock.sleep(1.0)
    assert not hand.bench.recorder.position_lost
    hand.driver.jog({}, 0.0)
    await hand.bench.clock.sleep(0.05)
    at_mm = hand.here_mm()
    await hand.bench.clock.sleep(3.0)
    assert hand.here_mm() == at_mm
    assert at_mm[0] > 70.0
    assert hand.bench.recorder.position_lost
    assert hand.machine.quick_stops >= 1
    await hand.close()


@under_virtual_clock()
async def test_without_an_emergency_parser_steps_are_shorter() -> None:
    hand = Hand(emergency_parser=False)
    await hand.connect()
    with pytest.raises(UsageError, match="cannot be stopped within a step"):
        await hand.step({"X": -80.0}, 10.0)
    await hand.step({"X": -40.0}, 10.0)
    await hand.bench.clock.sleep(6.0)
    assert hand.here_mm()[0] == pytest.approx(60.0)
    await hand.close()


@under_virtual_clock()
async def test_steps_that_wait_are_together_no_longer_than_one_may_be() -> None:
    """Without an emergency parser nothing ends what is planned, and sixteen steps of 4 s fit the planner."""
    hand = Hand(emergency_parser=False)
    await hand.connect()
    await hand.step({"X": -40.0}, 10.0)
    with pytest.raises(MachineBusy, match="would move for 8 s"):
        await hand.step({"X": 40.0}, 10.0)
    with pytest.raises(UsageError, match="cannot be stopped within a step"):
        await hand.step({"X": -40.0, "Y": -40.0}, 10.0)  # the feed is along the way
    await hand.bench.clock.sleep(4.5)
    await hand.step({"X": 40.0}, 10.0)
    await hand.bench.clock.sleep(4.5)
    assert hand.here_mm()[0] == pytest.approx(100.0)
    await hand.close()


@under_virtual_clock()
async def test_a_feed_is_a_number_that_the_firmware_can_read() -> None:
    hand = Hand()
    await hand.connect()
    await hand.step({"X": 0.1}, 0.005)  # F0 would be the feed before
    await hand.bench.clock.sleep(15.0)
    assert [line for line in hand.bench.executed if line.startswith("G1")][-1] == "G1 X0.1 F1"
    await hand.close()
    assert check_step({"E": 1.0}, 1e308, {}, None, JogLimits()) == 1000.0


@under_virtual_clock()
async def test_steps_one_after_the_other_and_one_beyond_the_edge() -> None:
    hand = Hand()
    await hand.connect()
    for _ in range(3):
        await hand.step({"X": 30.0}, 50.0)
    with pytest.raises(MachineError, match="X would go to 220"):
        await hand.step({"X": 30.5}, 50.0)
    await hand.bench.clock.sleep(4.0)
    assert hand.here_mm()[0] == pytest.approx(190.0)
    assert hand.bench.recorder.now is Activity.IDLE
    await hand.close()


@under_virtual_clock()
async def test_a_run_keeps_hands_off_and_hands_keep_a_run_off() -> None:
    hand = Hand()
    await hand.connect()
    await hand.hold({"X": 5.0}, 0.3)
    for attempt in (hand.bench.start, hand.bench.driver.home, lambda: hand.bench.driver.command("G28")):
        with pytest.raises(MachineBusy):
            await attempt()
    await hand.bench.clock.sleep(1.0)
    await hand.bench.start()
    await hand.bench.until_lines(3)
    with pytest.raises(MachineBusy):
        hand.driver.jog({"X": 1.0}, VALID_S, within=WITHIN)
    with pytest.raises(MachineBusy):
        await hand.step({"X": 1.0}, 1.0)
    driver = hand.bench.driver
    assert isinstance(driver, Heats)
    with pytest.raises(MachineBusy):
        await driver.heat("T0", 50.0)
    hand.driver.jog({}, 0.0)
    kind, reason, _ = await hand.bench.end()
    assert kind is EndKind.FINISHED, reason
    await hand.close()


@under_virtual_clock()
async def test_i15_a_stop_ends_a_jog_and_a_fault_refuses_the_next() -> None:
    hand = Hand()
    await hand.connect()
    await hand.hold({"X": 50.0}, 0.5)
    hand.bench.driver.stop()
    await hand.bench.clock.sleep(0.01)
    at_mm = hand.here_mm()
    await hand.bench.clock.sleep(1.0)
    assert hand.here_mm() == at_mm
    with pytest.raises(MachineError, match="fault"):
        hand.driver.jog({"X": 1.0}, VALID_S, within=WITHIN)
    await hand.close()


@under_virtual_clock()
async def test_filament_is_moved_by_hand_without_knowing_where_the_tool_is() -> None:
    hand = Hand(hotend_rise_s=5.0)
    await hand.connect(home=False)
    driver = hand.bench.driver
    assert isinstance(driver, Heats)
    await driver.heat("T0", 200.0)
    await hand.bench.clock.sleep(60.0)
    before_mm = hand.machine.motion.extruded_mm
    await hand.driver.jog_step({"E": 10.0}, 2.0)
    await hand.bench.clock.sleep(6.0)
    assert hand.machine.motion.extruded_mm - before_mm == pytest.approx(10.0)
    await hand.close()


@under_virtual_clock()
async def test_heat_is_set_by_hand_and_told() -> None:
    hand = Hand()
    await hand.connect(home=False)
    driver = hand.bench.driver
    assert isinstance(driver, Heats)
    await driver.heat("T0", 205.0)
    await driver.heat("B", 60.0)
    await hand.bench.clock.sleep(6.0)
    told = hand.bench.recorder.latest.temperatures_degc
    assert (told["T0"][1], told["B"][1]) == (205.0, 60.0)
    await driver.heat("T0", 0.0)
    assert hand.machine.outputs["hotend0"] == 0.0
    with pytest.raises(UsageError):
        await driver.heat("Q", 60.0)
    await hand.close()


@under_virtual_clock()
async def test_overrides_act_during_a_run_are_told_and_end_with_it() -> None:
    hand = Hand()
    await hand.connect(home=False)
    driver = hand.bench.driver
    assert isinstance(driver, TakesOverrides)
    await hand.bench.start()
    await hand.bench.until_lines(3)
    await driver.override("feed", 80.0)
    await driver.override("flow", 95.0)
    assert (hand.machine.motion.feed_percent, hand.machine.motion.flow_percent) == (80.0, 95.0)
    assert hand.bench.recorder.latest.overrides_percent == {"feed": 80.0, "flow": 95.0}
    kind, reason, _ = await hand.bench.end()
    assert kind is EndKind.FINISHED, reason
    assert hand.bench.program_lines()[:1] == ["G28"]
    hand.bench.recorder.ends.clear()
    hand.bench.recorder.progresses.clear()
    await hand.bench.start()
    await hand.bench.until_lines(3)
    assert (hand.machine.motion.feed_percent, hand.machine.motion.flow_percent) == (100.0, 100.0)
    await hand.bench.end()
    for what, percent in (("feed", 5.0), ("flow", 300.0), ("spindle", 100.0)):
        with pytest.raises(UsageError):
            await driver.override(what, percent)  # type: ignore[arg-type]
    await hand.close()


@under_virtual_clock()
async def test_questions_and_overrides_may_be_sent_as_lines_during_a_run_and_nothing_else() -> None:
    hand = Hand()
    await hand.connect(home=False)
    await hand.bench.start()
    await hand.bench.until_lines(3)
    assert "X:" in " ".join(await hand.bench.driver.command("M114"))
    await hand.bench.driver.command("M220 S90")
    assert hand.machine.motion.feed_percent == 90.0
    for line in ("G1 X5", "M104 S0", "M84", "M106 S255"):
        with pytest.raises(MachineBusy):
            await hand.bench.driver.command(line)
    kind, reason, progress = await hand.bench.end()
    assert kind is EndKind.FINISHED, reason
    assert progress.acknowledged_line == progress.sent_line == 81
    await hand.close()
