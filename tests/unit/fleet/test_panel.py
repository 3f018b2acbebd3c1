"""The operator panel in the controller: macros, camera, console, captures."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleetctl.errors import AgentUnavailable, Conflict, MachineError, NotFound, UsageError
from fleetctl.fleet.panel import Panels, macro_lines
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.model.messages import Answer, CaptureState, ConsoleEntry, ConsoleLines, Question, Reply, ToAgent, Verb
from fleetctl.store import events
from fleetctl.store import panel as store
from fleetctl.store.panel import Panel
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from tests.unit.fleet.conftest import Book
from tests.unit.fleet.desk import Desk, desk_of


def panels_of(desk: Desk) -> Panels:
    return Panels(desk.record, desk.agents, desk.machines, Telemetry(VirtualClock()))


def answering(desk: Desk, refused: str = "", **replies: Any) -> None:
    """Have the pretend agent answer questions with these records, and refuse a command with this text."""
    agent, keep = desk.agent, desk.agent.say

    def say(message: Any) -> None:
        last = agent.heard[-1]
        if isinstance(message, Answer) and isinstance(last, Verb):
            refuse = refused and last.text == refused
            keep(
                Answer(
                    command_id=message.command_id,
                    error="It is unknown." if refuse else "",
                    lines=(f"ok {last.text}",),
                )
            )
        else:
            keep(message)

    agent.say = say  # type: ignore[method-assign]

    class Heard(list[ToAgent]):
        def append(self, message: ToAgent) -> None:
            super().append(message)
            if isinstance(message, Question):
                given = replies[message.about.replace("-", "_")]
                given = given(message) if callable(given) else given
                data = given if isinstance(given, bytes) else msgspec.msgpack.encode(given)
                error = given if isinstance(given, str) else ""
                keep(Reply(command_id=message.command_id, error=error, data=b"" if error else data))

    agent.heard = Heard(agent.heard)


@under_virtual_clock()
async def test_macros_are_kept_in_the_store_and_sent_line_by_line(book: Book) -> None:
    machine = book.machine("K1")
    async with desk_of(book) as desk:
        await desk.connected()
        answering(desk)
        panels = panels_of(desk)
        await panels.save_macro("K1", " Park ", "; go away\r\nG91\n\n G1 Z10 \nG90", "lan")
        assert (await panels.panel("K1")).macros == {"Park": "G91\nG1 Z10\nG90"}
        assert book.look(store.get, machine.id) == Panel(macros={"Park": "G91\nG1 Z10\nG90"})
        assert await panels.run_macro("K1", "Park", "lan") == ["ok G91", "ok G1 Z10", "ok G90"]
        assert [verb.text for verb in desk.agent.of(Verb)] == ["G91", "G1 Z10", "G90"]
        await panels.remove_macro("K1", "Park", "lan")
        assert book.look(store.get, machine.id) == Panel()
        with pytest.raises(NotFound):
            await panels.run_macro("K1", "Park", "lan")
        with pytest.raises(NotFound):
            await panels.remove_macro("K1", "Park", "lan")


@under_virtual_clock()
async def test_a_macro_stops_at_the_line_that_is_refused(book: Book) -> None:
    book.machine("K1")
    async with desk_of(book) as desk:
        await desk.connected()
        answering(desk, refused="M999")
        panels = panels_of(desk)
        await panels.save_macro("K1", "Park", "G91\nM999\nG90", "lan")
        with pytest.raises(MachineError, match=r"Line 2 of 'Park' \(M999\) was not done: .*1 lines after it"):
            await panels.run_macro("K1", "Park", "lan")
        assert [verb.text for verb in desk.agent.of(Verb)] == ["G91", "M999"]


@under_virtual_clock()
async def test_a_macro_is_refused_in_a_run(book: Book) -> None:
    book.pass_gate(book.machine("K1"))
    book.job()
    assert book.dispatch()
    async with desk_of(book) as desk:
        await desk.connected()
        panels = panels_of(desk)
        await panels.save_macro("K1", "Park", "G91", "lan")
        with pytest.raises(Conflict, match="A run is on K1"):
            await panels.run_macro("K1", "Park", "lan")
        with pytest.raises(Conflict, match="A run is on K1"):
            await panels.begin_capture("K1", 60.0, True, "lan")
        assert not desk.agent.of(Verb)


@pytest.mark.parametrize("text", ["", " \n;only a comment\n", "x" * 300, "\n".join(["G4"] * 51), "G1\x07"])
def test_what_is_no_macro_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        macro_lines(text)


@under_virtual_clock()
async def test_the_camera_has_an_address_of_one_picture(book: Book) -> None:
    machine = book.machine("K1")
    async with desk_of(book) as desk:
        panels = panels_of(desk)
        for url in (
            "ftp://x/y.jpg",
            "file:///etc/passwd",
            "snapshot.jpg",
            "http://",
            "http://a b/",
            "http://x:99999/",
        ):
            with pytest.raises(UsageError):
                await panels.set_camera("K1", url, "admin")
        await panels.set_camera("K1", " http://lan:pw@192.168.1.30:8080/snapshot.jpg?x=1 ", "admin")
        assert book.look(store.get, machine.id).camera_url == "http://lan:pw@192.168.1.30:8080/snapshot.jpg?x=1"
        assert "pw@" not in str(book.look(events.page, 0, 500)), "the log does not hold the address"
        await panels.set_camera("K1", "", "admin")
        assert book.look(store.get, machine.id) == Panel()
        with pytest.raises(NotFound):
            await panels.set_camera("K9", "", "admin")


@under_virtual_clock()
async def test_what_the_agent_has_is_asked_of_it(book: Book) -> None:
    book.machine("K1")
    lines = ConsoleLines(last=1, entries=(ConsoleEntry(number=1, at_s=0.0, way="asked", text="M115"),))
    state = CaptureState(begun_s=1.0, ends_s=61.0, size_bytes=10)
    data = b"x" * 300_000
    async with desk_of(book) as desk:
        panels = panels_of(desk)
        with pytest.raises(AgentUnavailable):
            await panels.console("K1")
        await desk.connected()
        answering(
            desk,
            console=lines,
            capture_begin=state,
            capture_status=state,
            capture_end="Its link is not captured.",
            capture_read=lambda question: data[question.after : question.after + 65536],
        )
        assert await panels.console("K1", 3, True) == lines
        assert desk.agent.of(Question)[-1].after == 3 and desk.agent.of(Question)[-1].traffic
        assert await panels.begin_capture("K1", 60.0, True, "lan") == state
        assert [verb.verb for verb in desk.agent.of(Verb)] == ["reconnect"]
        assert await panels.capture("K1") == state
        assert b"".join([piece async for piece in panels.capture_file("K1")]) == data
        with pytest.raises(MachineError, match="not captured"):
            await panels.end_capture("K1")
        with pytest.raises(NotFound):
            await panels.console("K9")
