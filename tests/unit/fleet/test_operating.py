"""What a person does by hand, as the controller asks it of an agent and puts it on record; hands on the keys."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fleetctl.errors import Conflict, MachineError, NotFound, StoreUnavailable, UsageError
from fleetctl.fleet.changes import log_event
from fleetctl.fleet.jogging import EVERY_S, VALID_S
from fleetctl.fleet.operating import with_offset
from fleetctl.model.deeds import Heat, JogStep, Override, Probe, SetWorkOffset
from fleetctl.model.messages import Assign, Jog, JogReport, Verb
from fleetctl.model.profile import Setup
from fleetctl.store import machines
from fleetctl.store.events import page
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.fleet.conftest import Book
from tests.unit.fleet.desk import Desk, desk_of, until

STORED = {"G54": (-100.0, -50.0, -20.0), "G55": (0.0, 0.0, 0.0)}


def data_of(book: Book, kind: str) -> list[dict[str, Any]]:
    """What the events of one kind say."""
    return [json.loads(event.data) for event in book.look(page, 0, 1000) if event.kind == kind]


@under_virtual_clock()
async def test_a_work_offset_is_on_record_when_the_machine_has_it_and_voids_the_passes(book: Book) -> None:
    before = book.machine(setup=Setup(offsets_mm={"G54": (0.0, 0.0, 0.0)}, stock_top_mm={"G54": -5.0}))
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agent.answers["set-work-offset"] = {"values": STORED}
        shape = await desk.operating.set_work_offset("K1", SetWorkOffset(frame="G54", axes_mm={"Z": 0.0}), "ann")
        after = book.look(machines.named, "K1")
        assert after.setup.offsets_mm == {"G54": STORED["G54"]}
        assert after.setup.stock_top_mm == {"G54": 15.0}  # the stock is where it was
        assert after.configuration_hash != before.configuration_hash
        assert shape.offsets_mm == STORED and shape.differ == ()
        await until(lambda: bool(desk.agent.of(Assign)))
        assert desk.agent.of(Assign)[0].machines[0].work_offsets_mm == {"G54": STORED["G54"]}
        assert {"verb": "set-work-offset", "text": "G54 Z0"} in data_of(book, "machine.verb")


@under_virtual_clock()
async def test_an_offset_that_the_machine_refused_is_not_put_on_record(book: Book) -> None:
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agent.answers["set-work-offset"] = {"error": "It has a fault."}
        with pytest.raises(MachineError, match="fault"):
            await desk.operating.set_work_offset("K1", SetWorkOffset(frame="G54", axes_mm={"X": 0.0}), "ann")
        assert book.look(machines.named, "K1").setup.offsets_mm == {}
        desk.agent.answers["set-work-offset"] = {"values": STORED}
        desk.disk.full = True
        with pytest.raises(StoreUnavailable):
            await desk.operating.set_work_offset("K1", SetWorkOffset(frame="G54", axes_mm={"X": 0.0}), "ann")


@under_virtual_clock()
async def test_offsets_are_shown_with_where_they_differ_from_the_record(book: Book) -> None:
    book.machine(setup=Setup(offsets_mm={"G54": (-100.0, -50.0, -20.005), "G55": (1.0, 0.0, 0.0)}))
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agent.answers["work-offsets"] = {"values": STORED}
        assert (await desk.operating.work_offsets("K1")).differ == ("G55",)


@under_virtual_clock()
async def test_a_contact_is_a_measurement_on_record(book: Book) -> None:
    book.machine(setup=Setup(offsets_mm={"G54": (-100.0, -50.0, -20.0)}))
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agent.answers["probe"] = {"values": {"X": (-90.0,), "Y": (-50.0,), "Z": (-18.5,)}}
        probe = Probe(axis="Z", distance_mm=10.0, feed_mm_s=1.0)
        found = await desk.operating.probe("K1", probe, "ann")
        assert found.contact_mm == {"X": -90.0, "Y": -50.0, "Z": -18.5}
        assert found.work_mm == {"G54": {"X": 10.0, "Y": 0.0, "Z": 1.5}}
        (event,) = data_of(book, "machine.probed")
        assert event["axis"] == "Z" and event["contact_mm"]["Z"] == -18.5
        for distance, feed in ((100.0, 1.0), (10.0, 0.0)):
            with pytest.raises(UsageError):
                await desk.operating.probe("K1", Probe(axis="Z", distance_mm=distance, feed_mm_s=feed), "ann")
        assert len(desk.agent.of(Verb)) == 1


PROBE = Probe(axis="Z", distance_mm=10.0, feed_mm_s=1.0)
CONTACT = {"X": (-90.0,), "Y": (-50.0,), "Z": (-18.5,)}


@under_virtual_clock()
async def test_a_measurement_sets_an_offset_only_as_a_deed_of_its_own(book: Book) -> None:
    book.machine(setup=Setup(offsets_mm={"G54": (-100.0, -50.0, -20.0)}))
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agent.answers["probe"] = {"values": CONTACT}
        desk.agent.answers["set-work-offset"] = {"values": STORED}
        await desk.operating.probe("K1", PROBE, "ann")
        (found,) = await desk.operating.measurements("K1")
        assert (found.by, found.axis, found.contact_mm["Z"], found.work_mm, found.stale) == (
            "ann", "Z", -18.5, {"G54": 1.5}, "",
        )  # fmt: skip
        assert [verb.verb for verb in desk.agent.of(Verb)] == ["probe"]
        await desk.operating.set_offset_from_probe("K1", found.number, "G54", 12.7, "bob")
        asked = desk.agent.of(Verb)[-1].deed
        assert asked == SetWorkOffset(frame="G54", origin_mm={"Z": -31.2})
        assert {"verb": "set-work-offset", "text": "G54 zero of Z at -31.2"} in data_of(book, "machine.verb")
        for number, mm in ((found.number + 1, 0.0), (found.number, float("nan"))):
            with pytest.raises((NotFound, UsageError)):
                await desk.operating.set_offset_from_probe("K1", number, "G54", mm, "bob")


@pytest.mark.parametrize("what", ["away", "suspect", "old"])
@under_virtual_clock()
async def test_a_measurement_counts_no_more_when_zero_may_be_elsewhere(book: Book, what: str) -> None:
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        desk.agent.answers["probe"] = {"values": CONTACT}
        await desk.operating.probe("K1", PROBE, "ann")
        (found,) = await desk.operating.measurements("K1")
        assert found.stale == ""
        facts = {"away": {"link": "offline"}, "suspect": {"position": "suspect"}, "old": {"clearance": "uncleared"}}

        def change(conn: Any, stamp: Any) -> None:
            log_event(conn, stamp, "machine.changed", "K1", **facts[what])

        await desk.record.change("agent", change)
        if what == "old":
            await asyncio.sleep(15 * 60 + 1)
        (found,) = await desk.operating.measurements("K1")
        assert ("older" if what == "old" else "since then") in found.stale
        with pytest.raises(MachineError, match="counts no more"):
            await desk.operating.set_offset_from_probe("K1", found.number, "G54", 0.0, "ann")
        assert len(desk.agent.of(Verb)) == 1


@under_virtual_clock()
async def test_a_machine_that_is_locked_out_is_not_moved_nor_heated(book: Book) -> None:
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        await desk.machines.set_service("K1", "locked-out", "ann")
        for deed in (
            lambda: desk.operating.jog_step("K1", JogStep(distance_mm={"X": 1.0}, feed_mm_s=1.0), "bob"),
            lambda: desk.operating.heat("K1", Heat(heater="B", target_degc=50.0), "bob"),
            lambda: desk.jogging.open("K1", "bob"),
        ):
            with pytest.raises(Conflict, match="locked out"):
                await deed()
        await desk.operating.override("K1", Override(what="feed", percent=50.0), "bob")
        assert [verb.verb for verb in desk.agent.of(Verb)] == ["override"]
        with pytest.raises(NotFound):
            await desk.jogging.open("K9", "bob")


def test_an_offset_that_nobody_knew_leaves_no_stock_top() -> None:
    setup = with_offset(Setup(stock_top_mm={"G54": 0.0, "G55": 3.0}), "G54", (1.0, 2.0, 3.0))
    assert setup.stock_top_mm == {"G55": 3.0}


# Hands on the keys


async def beats(desk: Desk, count: int) -> list[Jog]:
    """So many heartbeats have reached the agent."""
    await until(lambda: len(desk.agent.of(Jog)) >= count)
    return desk.agent.of(Jog)


@under_virtual_clock()
async def test_a_heartbeat_goes_out_in_the_same_turn_and_says_how_long_it_counts(book: Book) -> None:
    machine = book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        hand = await desk.jogging.open("K1", "ann")
        hand.beat({"X": 5.0})
        (sent,) = await beats(desk, 1)
        assert sent.machine_id == machine.id and sent.velocity_mm_s == {"X": 5.0}
        now_s = desk.jogging.clock.wall().timestamp()
        assert 0.1 < sent.not_after_s - now_s <= 0.15
        await hand.close()
        assert (await beats(desk, 2))[-1].velocity_mm_s == {}
        assert {"verb": "jog", "text": ""} in data_of(book, "machine.verb")


@under_virtual_clock()
async def test_one_hand_at_a_time(book: Book) -> None:
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        ann, bob = await desk.jogging.open("K1", "ann"), await desk.jogging.open("K1", "bob")
        ann.beat({"X": 5.0})
        bob.beat({"X": -5.0})
        assert "ann moves it" in bob.refused and bob.news.is_set()
        bob.beat({})  # who does not hold it does not stop it either
        assert [jog.velocity_mm_s for jog in await beats(desk, 1)] == [{"X": 5.0}]
        await asyncio.sleep(1.1)
        bob.beat({"X": -5.0})
        assert (await beats(desk, 2))[-1].velocity_mm_s == {"X": -5.0}
        assert bob.refused == "", "it moves now, and bob is told"
        await bob.close()
        await ann.close()


@under_virtual_clock()
async def test_what_the_agent_says_reaches_the_hand(book: Book) -> None:
    machine = book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        hand = await desk.jogging.open("K1", "ann")
        hand.beat({"X": 5.0})
        desk.agent.say(JogReport(machine_id=machine.id, refused="A run is on it."))
        async with asyncio.timeout(1.0):
            await hand.news.wait()
        assert hand.refused == "A run is on it."
        hand.beat({})
        assert hand.refused == ""
        desk.agent.peer.close()
        await until(lambda: not desk.link.connected)
        hand.beat({"X": 5.0}, 1.0)
        await until(lambda: hand.refused)
        await hand.close()


@under_virtual_clock()
async def test_heartbeats_that_lay_somewhere_are_not_passed_on(book: Book) -> None:
    """The hand may be gone long ago: a second of them in one heap must not move anything."""
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        hand = await desk.jogging.open("K1", "ann")
        origin_s = desk.jogging.clock.monotonic()
        for number in range(3):
            hand.beat({"X": 5.0}, 50.0 + desk.jogging.clock.monotonic() - origin_s)
            await asyncio.sleep(0.08)
            assert len(await beats(desk, number + 1)) == number + 1
        sent_s = [50.24 + 0.08 * number for number in range(12)]
        await asyncio.sleep(1.0)
        for at_s in sent_s:
            hand.beat({"X": 5.0}, at_s)
        passed = len(await beats(desk, 3)) - 3
        assert passed <= 2  # those of the last 100 ms
        await hand.close()


@under_virtual_clock()
async def test_a_hand_whose_heartbeats_are_all_late_is_told(book: Book) -> None:
    """A sender's clock may jump, and then all that follow count as late."""
    machine = book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        hand = await desk.jogging.open("K1", "ann")
        hand.beat({"X": 5.0}, 50.0)
        for number in range(8):
            await asyncio.sleep(0.08)
            hand.beat({"X": 5.0}, 49.0 + 0.08 * number)
        assert "late" in hand.refused and len(await beats(desk, 1)) == 1
        desk.agent.say(JogReport(machine_id=machine.id, refused="A run is on it."))
        await until(lambda: "run" in hand.refused)
        hand.beat({"X": 5.0}, desk.jogging.clock.monotonic() + 100.0)
        assert hand.refused == "A run is on it.", "that is the agent's to take back"
        await hand.close()


@under_virtual_clock()
async def test_a_heap_of_heartbeats_that_do_not_say_when_counts_as_one(book: Book) -> None:
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        hand = await desk.jogging.open("K1", "ann")
        for _ in range(12):
            hand.beat({"X": 5.0})
        assert len(await beats(desk, 1)) == 1
        await asyncio.sleep(0.08)
        hand.beat({"X": 5.0})
        assert len(await beats(desk, 2)) == 2
        await hand.close()


@under_virtual_clock()
async def test_a_flood_of_heartbeats_reaches_the_agent_as_a_few_and_the_newest_wins(book: Book) -> None:
    """A script that sends a thousand a second, each with another speed."""
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        hand = await desk.jogging.open("K1", "ann")
        clock = desk.jogging.clock
        for number in range(1000):
            hand.beat({"X": 1.0 + number}, clock.monotonic())
            await asyncio.sleep(0.001)
        await asyncio.sleep(EVERY_S)
        passed = await beats(desk, 20)
        assert len(passed) <= 1.1 / EVERY_S
        assert passed[-1].velocity_mm_s == {"X": 1000.0}
        hand.beat({"X": 5.0}, clock.monotonic())
        await asyncio.sleep(0.001)
        count = len(desk.agent.of(Jog))
        hand.beat({"X": 6.0}, clock.monotonic())
        came_s = clock.wall().timestamp()
        await asyncio.sleep(EVERY_S)
        (late,) = desk.agent.of(Jog)[count:]
        assert late.velocity_mm_s == {"X": 6.0}
        assert late.not_after_s == pytest.approx(came_s + VALID_S), "it counts from when it came"
        await hand.close()


@under_virtual_clock()
async def test_a_stop_goes_out_at_once_and_what_waited_before_it_never_does(book: Book) -> None:
    book.machine()
    async with desk_of(book) as desk:
        await desk.connected()
        hand = await desk.jogging.open("K1", "ann")
        for _ in range(500):
            hand.beat({"X": 5.0}, desk.jogging.clock.monotonic())
            hand.beat({"X": 6.0}, desk.jogging.clock.monotonic())
            hand.beat({})
            hand.beat({})
        await asyncio.sleep(0.001)
        assert [jog.velocity_mm_s for jog in desk.agent.of(Jog)] == [{"X": 5.0}, {}]
        await asyncio.sleep(1.0)
        assert len(desk.agent.of(Jog)) == 2
        await hand.close()
