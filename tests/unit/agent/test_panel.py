"""What the agent has for the operator panel: console, captures, what the firmware asks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TypeVar

import msgspec

from fleetctl.agent.wire import Wire
from fleetctl.driver.api import Capabilities, Facet, Prompt, Telemetry
from fleetctl.model.machine import Activity
from fleetctl.model.messages import Answer, CaptureState, ConsoleLines, Question, Reply, TelemetryReport
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.transport.base import Receiver
from tests.unit.agent.rig import FakeController, FakeMachine, assigned, online, running, start, until, verb

K = TypeVar("K")


async def ask(controller: FakeController, about: str, **more: object) -> Reply:
    """A question, and its reply."""
    number = len(controller.of(Reply))
    controller.say(Question(command_id=f"q{number}", machine_id="id-m1", about=about, **more))  # type: ignore[arg-type]
    await until(lambda: len(controller.of(Reply)) > number)
    return controller.last(Reply)


async def asked(controller: FakeController, about: str, kind: type[K], **more: object) -> K:
    """A question, and the record in its reply."""
    reply = await ask(controller, about, **more)
    assert not reply.error
    return msgspec.msgpack.decode(reply.data, type=kind)


class Line:
    """The open link of a machine that says what a test wants."""

    url = "fake"

    def __init__(self) -> None:
        self.sent = b""
        self.receiver: Receiver | None = None

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        self.receiver = receiver

    def write(self, data: bytes) -> None:
        self.sent += data

    unsent_bytes = 0

    def discard_output(self) -> int:
        return 7

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        self.sent += data

    def close(self) -> None:
        self.receiver = None


class Ear:
    """Who owns the link."""

    def data_received(self, data: bytes, now_s: float) -> None: ...

    def lost(self, reason: object) -> None: ...


async def talking(wire: Wire) -> tuple[Line, Line]:
    """A link over this wire, as its driver sees it and as it is."""
    line = Line()
    ours = wire.over(line)
    await ours.open(Ear(), 0.0)  # type: ignore[arg-type]
    return ours, line  # type: ignore[return-value]


@under_virtual_clock()
async def test_the_console_keeps_what_people_asked_and_what_came_of_it() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        for number, text in enumerate(("M115", 'M587 P"hunter22"')):
            controller.say(verb(rig.clock, "command", f"c{number}", text=text))
            await until(lambda: len(controller.of(Answer)) == number + 1)  # noqa: B023 - called at once
        controller.say(verb(rig.clock, "pause", "c9"))
        await until(lambda: len(controller.of(Answer)) == 3)
        lines = await asked(controller, "console", ConsoleLines)
        said = [(entry.way, entry.text) for entry in lines.entries]
        assert said == [
            ("asked", "M115"),
            ("answer", "echo M115"),
            ("asked", "M587" + "*" * 12),
            ("answer", "echo M587" + "*" * 12),
            ("refused", "pause: m1: No run is in hand."),
        ]
        newer = await asked(controller, "console", ConsoleLines, after=lines.entries[3].number)
        assert [entry.way for entry in newer.entries] == ["refused"]
        assert (newer.first, newer.last) == (1, 5)


@under_virtual_clock()
async def test_traffic_is_listened_to_only_while_somebody_looks() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned())
        session = rig.agent.supervisor.sessions["id-m1"]
        ours, line = await talking(session.wire)
        ours.write(b"unheard\n")
        await asked(controller, "console", ConsoleLines, traffic=True)
        ours.write(b"M105\n")
        ours.data_received(b"ok T:2", 0.0)  # type: ignore[attr-defined]
        await asyncio.sleep(2)
        await asked(controller, "console", ConsoleLines, traffic=True)  # as a page does, in the middle of a line
        ours.data_received(b"1\r\nbusy\r\n", 0.0)  # type: ignore[attr-defined]
        ours.urgent(b"?")
        lines = await asked(controller, "console", ConsoleLines, traffic=True)
        assert [(e.way, e.text) for e in lines.entries] == [
            ("out", "M105"), ("in", "ok T:21"), ("in", "busy"), ("out", "?"),
        ]  # fmt: skip
        await asyncio.sleep(30)
        ours.write(b"long after\n")
        lines = await asked(controller, "console", ConsoleLines)
        assert len(lines.entries) == 4
        assert ours.write == line.write, "nothing stands in the way of a line any more"


@under_virtual_clock()
async def test_the_console_is_bounded() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned())
        console = rig.agent.supervisor.sessions["id-m1"].console
        for number in range(2000):
            console.asked(f"line {number} " + "x" * 1000)
        lines = await asked(controller, "console", ConsoleLines)
        assert len(lines.entries) == 200 and lines.entries[-1].text.startswith("line 1999 ")
        assert max(len(entry.text) for entry in lines.entries) == 300
        assert (lines.first, lines.last) == (1501, 2000)
        console.told('fault: echo:Unknown command: "M511 P1234"')
        lines = await asked(controller, "console", ConsoleLines)
        assert "M511" in lines.entries[-1].text and "1234" not in lines.entries[-1].text


@under_virtual_clock()
async def test_a_capture_ends_by_itself_and_has_everything(tmp_path: Path) -> None:
    machine = FakeMachine()
    async with running({"m1": machine}, captures=tmp_path / "captures") as rig:
        controller = await online(rig, assigned(options={"api_key": "hunter22", "line": "x"}))
        session = rig.agent.supervisor.sessions["id-m1"]
        ours, _ = await talking(session.wire)
        begun = await asked(controller, "capture-begin", CaptureState, seconds=20.0)
        assert begun.under_way and begun.ends_s == (begun.begun_s or 0) + 20.0
        ours.write(b"M115\n")
        await asyncio.sleep(1)
        ours.data_received(b"ok\n", 0.0)  # type: ignore[attr-defined]
        ours.discard_output()
        ours.urgent(b"$75=hunter22\n")
        controller.say(verb(rig.clock, "command", text="$75=hunter22"))
        await until(lambda: controller.of(Answer))
        controller.say(start(rig.clock))
        await until(lambda: machine.starts == 1)
        again = await ask(controller, "capture-begin", seconds=20.0)
        assert "captured already" in again.error
        early = await ask(controller, "capture-read")
        assert "not done yet" in early.error
        await asyncio.sleep(30)
        ours.write(b"after the end\n")
        state = CaptureState()
        while not state.ended:
            state = await asked(controller, "capture-status", CaptureState)
        assert state.ended == "after 20 s"
        data = (await ask(controller, "capture-read")).data
        assert len(data) == state.size_bytes
        assert (await ask(controller, "capture-read", after=len(data))).data == b""
    header, *rows = [json.loads(line) for line in data.decode().splitlines()]
    assert header["format"] == "fleetctl-capture-1" and header["machine"] == "m1" and header["driver"] == "fake"
    assert header["options"] == {"api_key": "********", "line": "x"}
    assert "hunter22" not in data.decode()
    ways = [(row["way"], row["data"]) for row in rows]
    assert ways[:4] == [("out", "M115\n"), ("in", "ok\n"), ("discard", 7), ("urgent", "$75=********\n")]
    assert ("verb", "command $75=********") in ways
    assert ("verb", "start " + "a" * 64) in ways
    assert ("told", "running") in ways
    assert ways[-1] == ("end", "after 20 s")
    assert rows[-1]["t_s"] == 20.0
    assert (tmp_path / "captures" / "id-m1.jsonl").stat().st_mode & 0o077 == 0


@under_virtual_clock()
async def test_a_capture_can_be_ended_early_and_is_refused_without_sense(tmp_path: Path) -> None:
    async with running({"m1": FakeMachine()}, captures=tmp_path) as rig:
        controller = await online(rig, assigned())
        for seconds in (0.0, 7200.0, float("nan")):
            assert "lasts 1 to 3600 s" in (await ask(controller, "capture-begin", seconds=seconds)).error
        assert "was not captured" in (await ask(controller, "capture-read")).error
        await asked(controller, "capture-begin", CaptureState, seconds=3600.0)
        await ask(controller, "capture-end")
        state = CaptureState()
        while not state.ended:
            state = await asked(controller, "capture-status", CaptureState)
        assert state.ended == "a person ended it"
        await asked(controller, "capture-begin", CaptureState, seconds=5.0)
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned())
        assert "keeps no files" in (await ask(controller, "capture-begin", seconds=5.0)).error


@under_virtual_clock()
async def test_a_question_is_not_journalled_and_may_name_nothing() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned())
        assert "no question" in (await ask(controller, "riddle")).error
        assert not any(known.startswith("q") for known in rig.agent.journal.state.content.commands)
        controller.say(Question(command_id="other", machine_id="id-gone", about="console"))
        await until(lambda: controller.last(Reply).command_id == "other")
        assert "does not hold" in controller.last(Reply).error


@under_virtual_clock()
async def test_what_the_driver_claims_goes_with_the_readings() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned())
        await until(lambda: controller.of(TelemetryReport))
        assert controller.last(TelemetryReport).can == (
            "pause", "home", "jog", "override", "heat", "set_work_offsets", "probe",
        )  # fmt: skip


@under_virtual_clock()
async def test_a_question_of_the_firmware_is_shown_until_it_is_answered() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        driver = machine.driver
        assert driver is not None
        controller.say(verb(rig.clock, "answer-prompt", "a0", text="0"))
        await until(lambda: controller.of(Answer))
        assert "asks nothing" in controller.last(Answer).error
        prompts = [Prompt("Filament runout", ("Purge more", "Continue"))]
        driver.capabilities = Capabilities(facets=frozenset({Facet.STREAM}), prompts=True)

        async def answer(choice: int) -> None:
            machine.calls.append(f"answered {choice}")
            prompts.clear()
            machine.listener.telemetry(Telemetry())

        driver.prompt = lambda: prompts[0] if prompts else None  # type: ignore[attr-defined]
        driver.answer_prompt = answer  # type: ignore[attr-defined]
        machine.listener.activity(Activity.WAITING, "Filament runout", False)
        await until(lambda: controller.last(TelemetryReport).prompt is not None)
        shown = controller.last(TelemetryReport).prompt
        assert shown is not None and shown.choices == ("Purge more", "Continue")
        controller.say(verb(rig.clock, "answer-prompt", "a1", text="1"))
        await until(lambda: len(controller.of(Answer)) == 2)
        assert controller.last(Answer).error == "" and "answered 1" in machine.calls
        await until(lambda: controller.last(TelemetryReport).prompt is None)
