"""The operator panel of a machine: macros, camera address, console, temperatures of the last half hour, captures.

Responsible for what people may put on it, and for asking the agent for what only the agent has. A macro is a person's
command, line by line, and is refused during a run. Must not know pages, nor any firmware's words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa

from fleetctl.errors import Conflict, FleetctlError, MachineError, NotFound, UsageError
from fleetctl.fleet import texts
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.machines import Machines
from fleetctl.fleet.record import Record
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.fleet.temperatures import TemperatureColumns
from fleetctl.model.machine import Machine
from fleetctl.model.messages import CaptureState, ConsoleLines, Question
from fleetctl.store import machines, runs
from fleetctl.store import panel as store
from fleetctl.store.panel import Panel

MACROS_MOST = 40
MACRO_NAME_MOST = 40
MACRO_LINES_MOST = 50
LINE_MOST = 256
URL_MOST = 500

ANSWER_WITHIN_S = 5.0


class Panels:
    """The panels of all machines."""

    def __init__(self, record: Record, agents: Agents, machines: Machines, telemetry: Telemetry) -> None:
        self._record = record
        self._agents = agents
        self._machines = machines
        self._telemetry = telemetry

    async def panel(self, name: str) -> Panel:
        """What is on the panel. Raises NotFound."""
        return await self._record.look(lambda conn: store.get(conn, machines.named(conn, name).id))

    # Macros

    async def save_macro(self, name: str, macro: str, text: str, actor: str) -> None:
        """Keep a macro under its name, in place of one of that name. Raises UsageError, NotFound."""
        macro, lines = _macro_name(macro), macro_lines(text)

        def change(panel: Panel) -> Panel:
            kept = {**panel.macros, macro: "\n".join(lines)}
            if len(kept) > MACROS_MOST:
                raise UsageError(f"There are {MACROS_MOST} macros already.", hint="Remove one first.")
            return msgspec.structs.replace(panel, macros=kept)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(conn, stamp, "machine.macro", name, macro=macro, lines=len(lines))

        await self._change(name, change, note, actor)

    async def remove_macro(self, name: str, macro: str, actor: str) -> None:
        """Forget a macro. Raises NotFound."""

        def change(panel: Panel) -> Panel:
            kept = {one: text for one, text in panel.macros.items() if one != macro}
            if len(kept) == len(panel.macros):
                raise NotFound(f"There is no macro {macro[:MACRO_NAME_MOST]!r} of {name}.")
            return msgspec.structs.replace(panel, macros=kept)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(conn, stamp, "machine.macro", name, macro=macro, lines=0)

        await self._change(name, change, note, actor)

    async def run_macro(self, name: str, macro: str, actor: str) -> list[str]:
        """Send the lines of a macro one after the other, each when the one before was answered; all answers.

        Raises NotFound, Conflict while a run is on the machine, MachineError at the first line that is refused.
        """
        panel = await self.panel(name)
        if macro not in panel.macros:
            raise NotFound(f"There is no macro {macro[:MACRO_NAME_MOST]!r} of {name}.")
        answers: list[str] = []
        lines = macro_lines(panel.macros[macro])
        for number, line in enumerate(lines, 1):
            try:
                await self._record.look(lambda conn: _refuse_in_a_run(conn, name))
                answers += await self._machines.command(name, line, actor)
            except FleetctlError as error:
                if len(lines) == 1:
                    raise
                left = f"; {len(lines) - number} lines after it were not sent" if number < len(lines) else ""
                reason = f"Line {number} of {macro!r} ({line}) was not done: {error}{left}."
                raise MachineError(reason.replace("..", "."), machine=name, hint=error.hint) from error
        return answers

    # Camera

    async def set_camera(self, name: str, url: str, actor: str) -> None:
        """Say where the camera of a machine gives a picture; empty: it has none. Raises UsageError, NotFound."""
        url = _camera_url(url)

        def change(panel: Panel) -> Panel:
            return msgspec.structs.replace(panel, camera_url=url)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(conn, stamp, "machine.camera", name, on=bool(url))

        await self._change(name, change, note, actor)

    async def _change(
        self,
        name: str,
        change: Callable[[Panel], Panel],
        note: Callable[[sa.Connection, Stamp], None],
        actor: str,
    ) -> None:
        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            machine = machines.named(conn, name)
            store.put(conn, machine.id, change(store.get(conn, machine.id)))
            note(conn, stamp)

        await self._record.change(actor, unit)

    # What the agent has

    async def console(self, name: str, after: int = 0, traffic: bool = False) -> ConsoleLines:
        """The newest lines of the console that are numbered above `after`. Raises NotFound, AgentUnavailable."""
        data = await self._ask(await self._named(name), "console", after=after, traffic=traffic)
        return msgspec.msgpack.decode(data, type=ConsoleLines)

    async def temperatures(self, name: str, after_s: float = 0.0) -> TemperatureColumns:
        """The last half hour, or what is newer than `after_s`. Raises NotFound."""
        await self._named(name)
        return self._telemetry.temperatures.columns(name, self._record.now_s(), after_s)

    async def begin_capture(self, name: str, seconds: float, reconnect: bool, actor: str) -> CaptureState:
        """Have the link captured, for so long; `reconnect`: open it anew, so that the capture has its whole begin.

        Raises NotFound, UsageError, Conflict, AgentUnavailable; MachineError when it cannot be opened anew.
        """
        machine = await self._named(name)
        if reconnect:
            await self._record.look(lambda conn: _refuse_in_a_run(conn, name))
        state = _capture(await self._ask(machine, "capture-begin", seconds=seconds))

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(conn, stamp, "machine.captured", name, seconds=seconds, reconnect=reconnect)

        await self._record.note(actor, note)
        if reconnect:
            await self._machines.reconnect(name, actor)
        return state

    async def end_capture(self, name: str) -> CaptureState:
        """End the capture under way."""
        return _capture(await self._ask(await self._named(name), "capture-end"))

    async def capture(self, name: str) -> CaptureState:
        """How the newest capture stands."""
        return _capture(await self._ask(await self._named(name), "capture-status"))

    async def capture_file(self, name: str) -> AsyncIterator[bytes]:
        """The newest capture, piece by piece. Raises MachineError when there is none, or it is not done."""
        machine = await self._named(name)
        offset = 0
        while piece := await self._ask(machine, "capture-read", after=offset):
            offset += len(piece)
            yield piece

    async def _named(self, name: str) -> Machine:
        return await self._record.look(lambda conn: machines.named(conn, name))

    async def _ask(
        self, machine: Machine, about: str, *, after: int = 0, traffic: bool = False, seconds: float = 0.0
    ) -> bytes:
        question = Question(
            command_id=self._record.stamp("").new_id(),
            machine_id=machine.id,
            about=about,
            after=after,
            traffic=traffic,
            seconds=seconds,
        )
        return await self._agents.question(machine, question, ANSWER_WITHIN_S)


def macro_lines(text: str) -> list[str]:
    """The lines of a macro, without empty ones and comments. Raises UsageError for what is no macro."""
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    lines = [line for line in lines if line and not line.startswith(";")]
    if not lines:
        raise UsageError("A macro has at least one line.")
    if len(lines) > MACRO_LINES_MOST:
        raise UsageError(f"The macro has {len(lines)} lines; at most {MACRO_LINES_MOST}.", hint="Make it a program.")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MOST or not line.isprintable():
            raise UsageError(f"Line {number} of the macro is longer than {LINE_MOST} characters or cannot be shown.")
    return lines


def _macro_name(macro: str) -> str:
    name = texts.text(macro.strip(), "name of the macro", MACRO_NAME_MOST)
    if not name or "\n" in name:
        raise UsageError("A macro has a name of one line.")
    return name


def _camera_url(url: str) -> str:
    url = url.strip()
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        sensible = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sensible = False
    if not sensible or len(url) > URL_MOST or not url.isprintable() or " " in url:
        raise UsageError(
            "The camera needs the address of a single picture (a snapshot), with http or https.",
            hint="For example http://192.168.1.30/snapshot.jpg; a video stream is not one picture.",
        )
    return url


def _refuse_in_a_run(conn: sa.Connection, name: str) -> None:
    machine = machines.named(conn, name)
    if runs.find(conn, machine_id=machine.id, active_only=True):
        raise Conflict(f"A run is on {name}.", machine=name, hint="Wait for its end, or cancel it.")


def _capture(data: bytes) -> CaptureState:
    return msgspec.msgpack.decode(data, type=CaptureState)
