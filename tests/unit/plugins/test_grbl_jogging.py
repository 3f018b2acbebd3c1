"""Jogging a Grbl: whoever lets go, vanishes or dies, the tool rests 200 ms after the last heartbeat."""

from __future__ import annotations

import pytest
from fleetctl_plugins.grbl.driver import DRIVER
from fleetctl_plugins.grbl.simulator import GrblSimulator, as_executed, simulator

from fleetctl.driver.api import EndKind, Jogs
from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.model.profile import Envelope
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Subject
from fleetctl.testing.suite.bench import Bench

BEAT_S = 0.08
VALID_S = 0.15
REST_WITHIN_S = 0.2

WITHIN = Envelope((-300.0, -180.0, -45.0), (0.0, 0.0, 0.0))
START = "start_mm=-100,-100,-20"


def subject(**options: object) -> Subject:
    return Subject(
        driver=DRIVER,
        make_machine=lambda seed: simulator(seed, **options),
        program=b"G21 G90 G94\nM3 S1000\n" + b"G1 X-10 F60\nG1 X-1\n" * 20 + b"M5\nM30\n",
        cleaned=as_executed,
        switch_on="M3 S1000",
        question=("$G", "[GC:"),
        fault="hard-limit",
        fault_end=EndKind.INTERRUPTED,
        clears_fault=True,
        has_checksums=False,
    )


class Hand:
    """A person at a connected mill without homing switches, somewhere in the middle of its travel."""

    def __init__(self, **options: object) -> None:
        settings = str(options.pop("settings", "22=0,120=200,121=200,122=200"))
        self.bench = Bench(subject(settings=settings, **options))
        self.machine = self.bench.machine
        assert isinstance(self.machine, GrblSimulator)

    async def connect(self, at_mm: tuple[float, float, float] = (-100.0, -100.0, -20.0)) -> Jogs:
        await self.bench.connect()
        self.machine.planner.place(at_mm)  # as if it had been homed and moved there
        self.machine.planned = at_mm
        driver = self.bench.driver
        assert isinstance(driver, Jogs)
        self.driver = driver
        return driver

    async def hold(self, velocity: dict[str, float], seconds: float) -> float:
        """Hold a key; gives when the last heartbeat went out. The hand is gone then, and nobody says so."""
        beats = max(1, round(seconds / BEAT_S))
        for _ in range(beats - 1):
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
        assert self.machine.activity == "idle"

    async def close(self) -> None:
        await self.bench.driver.close()
        self.bench.finish()


@pytest.mark.parametrize("accel", [10, 30, 200, 1000])
@pytest.mark.parametrize("velocity", [{"X": 40.0}, {"X": -8.0, "Y": 6.0}, {"Z": 0.7}])
def test_a_hand_that_vanishes_leaves_the_tool_at_rest_within_200_ms(accel: int, velocity: dict[str, float]) -> None:
    @under_virtual_clock()
    async def held() -> None:
        hand = Hand(settings=f"22=0,120={accel},121={accel},122={accel},110=3000,111=3000,112=1000")
        await hand.connect()
        began_mm = hand.here_mm()
        last_beat_s = await hand.hold(velocity, 1.0)
        await hand.rests(last_beat_s)
        way_mm = [there - here for there, here in zip(hand.here_mm(), began_mm, strict=True)]
        speed = max(abs(v) for v in velocity.values())
        axis = "XYZ".index(max(velocity, key=lambda name: abs(velocity[name])))
        allowed = min(speed, 0.09 * accel * speed / max(abs(v) for v in velocity.values()))
        assert abs(way_mm[axis]) == pytest.approx(allowed * 1.06, rel=0.2)
        assert way_mm[axis] * velocity["XYZ"[axis]] > 0
        await hand.close()

    held()


@under_virtual_clock()
async def test_the_way_is_as_long_as_speed_and_time_say() -> None:
    hand = Hand(settings="22=0,120=1000,121=1000,122=1000,110=6000,111=6000")
    await hand.connect()
    last_beat_s = await hand.hold({"X": -20.0, "Y": 10.0}, 4.0)
    await hand.rests(last_beat_s)
    x, y, z = hand.here_mm()
    assert x == pytest.approx(-100 - 20 * 4.05, abs=2.0)
    assert (y + 100) == pytest.approx(-(x + 100) / 2, abs=0.002)
    assert z == -20.0
    await hand.close()


@under_virtual_clock()
async def test_letting_go_stops_sooner_than_the_heartbeat_runs_out() -> None:
    hand = Hand()
    await hand.connect()
    await hand.hold({"X": -15.0}, 1.0)
    hand.driver.jog({}, 0.0)
    let_go_s = hand.bench.clock.monotonic()
    await hand.bench.clock.sleep_until(let_go_s + 0.12)
    at_mm = hand.here_mm()
    await hand.bench.clock.sleep(2.0)
    assert hand.here_mm() == at_mm
    assert hand.bench.recorder.now is Activity.IDLE
    await hand.close()


@pytest.mark.parametrize("gone", ["closed", "cut"])
def test_an_agent_or_cable_that_dies_leaves_no_long_motion(gone: str) -> None:
    @under_virtual_clock()
    async def died() -> None:
        hand = Hand(settings="22=0,120=30,121=30,122=30")
        await hand.connect()
        last_beat_s = await hand.hold({"X": -30.0}, 2.0)
        if gone == "closed":
            await hand.bench.driver.close()
        else:
            hand.bench.link.latency_s = 3600.0
        await hand.bench.clock.sleep_until(last_beat_s + REST_WITHIN_S)
        at_mm = hand.here_mm()
        assert at_mm[0] < -103.0
        await hand.bench.clock.sleep(10.0)
        assert hand.here_mm() == at_mm
        await hand.bench.driver.close()
        hand.bench.finish()

    died()


@under_virtual_clock()
async def test_a_jog_ends_exactly_at_the_edge_of_the_travel_and_comes_back() -> None:
    hand = Hand()
    await hand.connect((-3.0, -100.0, -20.0))
    last_beat_s = await hand.hold({"X": 15.0}, 2.0)
    await hand.rests(last_beat_s)
    assert hand.here_mm()[0] == pytest.approx(0.0, abs=1e-6)
    last_beat_s = await hand.hold({"X": -15.0}, 0.5)
    await hand.rests(last_beat_s)
    assert hand.here_mm()[0] < -4.0
    await hand.close()


@under_virtual_clock()
async def test_nobody_knows_where_it_is_so_only_slow_short_steps() -> None:
    hand = Hand()
    await hand.connect()
    with pytest.raises(MachineError, match="knows where"):
        hand.driver.jog({"X": 1.0}, VALID_S)
    for distance, feed in (({"X": 6.0}, 5.0), ({"X": 5.0}, 6.0)):
        with pytest.raises(MachineError, match="at most 5 mm at 5 mm/s"):
            await hand.driver.jog_step(distance, feed)
    await hand.driver.jog_step({"X": 5.0}, 5.0)
    await hand.bench.clock.sleep(3.0)
    assert hand.here_mm() == pytest.approx((-95.0, -100.0, -20.0))
    await hand.close()


@under_virtual_clock()
async def test_a_step_beyond_the_travel_is_refused_with_what_is_left() -> None:
    hand = Hand()
    await hand.connect((-3.0, -100.0, -20.0))
    with pytest.raises(MachineError, match=r"X would go to 7\.000 mm; the machine reaches -300 to 0"):
        await hand.driver.jog_step({"X": 10.0}, 10.0, within=WITHIN)
    await hand.driver.jog_step({"X": 3.0}, 10.0, within=WITHIN)
    with pytest.raises(MachineError, match="X would go to"):  # the steps before count, also while they are done
        await hand.driver.jog_step({"X": 1.0}, 10.0, within=WITHIN)
    await hand.bench.clock.sleep(3.0)
    assert hand.here_mm()[0] == pytest.approx(0.0)
    await hand.close()


@under_virtual_clock()
async def test_a_long_step_can_be_stopped() -> None:
    hand = Hand()
    await hand.connect((-300.0, -100.0, -20.0))
    await hand.driver.jog_step({"X": 100.0}, 10.0, within=WITHIN)
    await hand.bench.clock.sleep(2.0)
    hand.driver.jog({}, 0.0)
    await hand.rests(hand.bench.clock.monotonic())
    assert -300 + 15 < hand.here_mm()[0] < -300 + 25
    assert hand.bench.recorder.now is Activity.IDLE
    assert not hand.bench.recorder.position_lost
    await hand.close()


@pytest.mark.parametrize(
    ("distance", "feed"), [({"X": 101.0}, 30.0), ({"X": 50.0}, 1.0), ({"X": 0.0}, 1.0), ({"X": 1.0}, 0.0)]
)
def test_a_step_is_short_in_way_and_time(distance: dict[str, float], feed: float) -> None:
    @under_virtual_clock()
    async def stepped() -> None:
        hand = Hand()
        await hand.connect()
        with pytest.raises(UsageError):
            await hand.driver.jog_step(distance, feed, within=WITHIN)
        await hand.close()

    stepped()


@under_virtual_clock()
async def test_a_run_keeps_hands_off_and_hands_keep_a_run_off() -> None:
    hand = Hand()
    await hand.connect()
    await hand.hold({"X": -5.0}, 0.3)
    with pytest.raises(MachineBusy):
        await hand.bench.start()
    with pytest.raises(MachineBusy):
        await hand.bench.driver.command("G0 X0")
    with pytest.raises(MachineBusy):
        await hand.bench.driver.home()
    await hand.bench.clock.sleep(1.0)
    await hand.bench.start()
    await hand.bench.until_lines(2)
    with pytest.raises(MachineBusy):
        hand.driver.jog({"X": 1.0}, VALID_S, within=WITHIN)
    with pytest.raises(MachineBusy):
        await hand.driver.jog_step({"X": 1.0}, 1.0, within=WITHIN)
    hand.driver.jog({}, 0.0)
    kind, reason, _ = await hand.bench.end()
    assert kind is EndKind.FINISHED, reason
    await hand.close()


@under_virtual_clock()
async def test_i15_a_stop_ends_a_jog_at_once_and_a_fault_refuses_the_next() -> None:
    hand = Hand()
    await hand.connect()
    await hand.hold({"X": -15.0}, 1.0)
    hand.bench.driver.stop()
    await hand.bench.clock.sleep(0.01)
    at_mm = hand.here_mm()
    await hand.bench.clock.sleep(1.0)
    assert hand.here_mm() == at_mm
    assert hand.bench.recorder.position_lost
    with pytest.raises(MachineError, match="fault"):
        hand.driver.jog({"X": 1.0}, VALID_S, within=WITHIN)
    await hand.close()


@under_virtual_clock()
async def test_soft_limits_of_the_controller_are_told_and_not_tried_again() -> None:
    """The profile says more than the controller's own travel ($130): error:15, no alarm, and no second try."""
    hand = Hand(settings="22=0,20=1,130=100.5,131=200,132=200,120=200")
    await hand.connect()
    hand.driver.jog({"X": -10.0}, VALID_S, within=WITHIN)
    await hand.bench.clock.sleep(BEAT_S)
    with pytest.raises(MachineError, match="error:15"):
        await hand.hold({"X": -10.0}, 1.0)
    count = hand.machine.heard.count
    with pytest.raises(MachineError, match="error:15"):
        hand.driver.jog({"X": -10.0}, VALID_S, within=WITHIN)
    assert hand.machine.heard.count == count
    hand.driver.jog({}, 0.0)
    await hand.bench.clock.sleep(0.5)
    last_beat_s = await hand.hold({"X": 10.0}, 0.5)
    await hand.rests(last_beat_s)
    assert hand.here_mm()[0] > -100.0
    await hand.close()


@under_virtual_clock()
async def test_the_modes_of_the_controller_stay_as_they_are() -> None:
    hand = Hand()
    await hand.connect()
    before = await hand.bench.driver.command("$G")
    last_beat_s = await hand.hold({"X": 5.0, "Z": -1.0}, 0.5)
    await hand.rests(last_beat_s)
    assert await hand.bench.driver.command("$G") == before
    await hand.close()


@under_virtual_clock()
async def test_an_axis_that_grbl_has_not_is_refused() -> None:
    hand = Hand()
    await hand.connect()
    with pytest.raises(UsageError, match="no axis E"):
        hand.driver.jog({"E": 1.0}, VALID_S, within=WITHIN)
    await hand.close()


@under_virtual_clock()
async def test_steps_that_wait_are_together_no_longer_than_one_may_be() -> None:
    hand = Hand()
    await hand.connect()
    await hand.driver.jog_step({"X": -40.0}, 2.0, within=WITHIN)
    with pytest.raises(MachineBusy, match="would move for 40 s"):
        await hand.driver.jog_step({"X": 40.0}, 2.0, within=WITHIN)
    hand.driver.jog({}, 0.0)
    await hand.bench.clock.sleep(1.0)
    await hand.driver.jog_step({"X": 40.0}, 2.0, within=WITHIN)  # those before were stopped
    await hand.bench.clock.sleep(25.0)
    assert hand.bench.recorder.now is Activity.IDLE
    await hand.close()
