"""The line to the controller: one controller at a time, reports until acknowledged, telemetry when there is room.

Responsible for when something is sent. Must not know what commands mean, and never makes a session wait: with
no controller, or a slow one, reports stay in the journal and readings are overwritten.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from fleetctl.agent.records import Outcome
from fleetctl.agent.shared import Shared
from fleetctl.model.messages import (
    PROTOCOL_VERSION,
    Hello,
    Leave,
    Reply,
    Stop,
    ToAgent,
    ToController,
    Welcome,
    decode_to_agent,
    encode,
    protocol_of,
)
from fleetctl.transport.peer import PeerLink

log = logging.getLogger(__name__)

HELLO_PATIENCE_S = 10.0
RESEND_AFTER_S = 3.0
"""A report that was not acknowledged for so long is sent again on the same link."""

SETTLE_PATIENCE_S = 2.0
"""How long a report waits to be durable; with a disk that fails it goes out all the same."""

TELEMETRY_EVERY_S = 0.25
"""At most four readings a second for each machine."""

TELEMETRY_AT_ONCE = 4
"""Readings sent together; the others of a quarter second are spread over it. Those of hundreds of machines in one go,
or in turns of the loop without a rest, keep a processor from the workers that bring us the answers."""

OUTCOMES_KEPT = 1000
FULL_RETRY_S = 0.1


class PeerServer(Protocol):
    """What listens for controllers."""

    async def aclose(self) -> None:
        """Listen no more, close every link, and wait for their tasks."""
        ...


Listen = Callable[[Callable[[PeerLink], Awaitable[None]]], Awaitable[PeerServer]]
"""Begins to listen: calls what it is given for each link, in a task of that link, and closes the link when it
returns. Raises LinkUnavailable."""


class ControllerLink:
    """Where controllers come in. The newest one that said Hello is the controller; the one before is closed.

    `in_flight`: how many reports may be on their way unacknowledged. On a link that may lose single messages it
    must be 1, because an acknowledgement covers all reports before it; a socket loses none unless it breaks.
    """

    def __init__(
        self, shared: Shared, take: Callable[[ToAgent], None], welcome: Callable[[], Welcome], in_flight: int = 1
    ) -> None:
        """`take` does what a message says; `welcome` gives our answer to Hello."""
        self._shared = shared
        self._take = take
        self._welcome = welcome
        self._in_flight = in_flight
        self._line: Line | None = None
        self._askers: dict[str, Line] = {}

    async def serve(self, peer: PeerLink) -> None:
        """Serve one link until it ends; any number at a time, of which one is the controller's."""
        line = Line(peer, self._shared, self._in_flight)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._close_unless_greeted(line, peer))
                await self._listen(line, peer, tasks)
                peer.close()
                raise _LineEnded
        except* _LineEnded:
            pass
        finally:
            if self._line is line:
                self._line = None

    def post(self, outcome: Outcome | Reply) -> None:
        """Send an outcome if there is a line; without one it is fetched by repeating the command."""
        asker = self._askers.pop(outcome.command_id, None)
        if asker is not None:
            asker.send(outcome)
        if self._line is not None:
            self._line.post(outcome)

    def tell(self, message: ToController) -> None:
        """Send something that may be lost, if there is a line with room."""
        if self._line is not None:
            self._line.send(message)

    async def delivered(self, deadline_s: float) -> None:
        """Wait until the controller has everything, at the latest until `deadline_s`; or it is not there."""
        while self._line is not None and self._shared.clock.monotonic() < deadline_s:
            if not self._shared.journal.state.content.reports:
                return
            await self._shared.clock.sleep(FULL_RETRY_S)

    async def _listen(self, line: Line, peer: PeerLink, tasks: asyncio.TaskGroup) -> None:
        async for data in peer:
            try:
                message = decode_to_agent(data)
            except msgspec.DecodeError as error:
                if (protocol := protocol_of(data)) not in (None, PROTOCOL_VERSION):
                    self._greet_another(line, protocol)
                else:
                    log.error("the controller sent what is no message: %s; ignored", error)
                continue
            if isinstance(message, Hello) and message.protocol_version != PROTOCOL_VERSION:
                self._greet_another(line, message.protocol_version)
            elif isinstance(message, Hello):
                self._greet(line, message, tasks)
            elif line is self._line or (line.foreign and isinstance(message, Leave)):
                self._take(message)
            elif isinstance(message, Stop):
                self._stop_by_somebody(line, message)

    def _stop_by_somebody(self, line: Line, stop: Stop) -> None:
        """Whoever may open our socket may stop, above all when the controller is dead or hangs. The controller is
        greeted anew, and learns of the stop by our Welcome.
        """
        log.warning("stop %s did not come from the controller", stop.command_id)
        self._askers[stop.command_id] = line
        self._take(stop)
        if self._line is not None:
            self._line.close()

    def _greet(self, line: Line, hello: Hello, tasks: asyncio.TaskGroup) -> None:
        before, self._line = self._line, line
        if before is not None and before is not line:
            log.info("another controller said hello; the line to the one before is closed")
            before.close()
        # First what it says, so that the Welcome names the same stop.
        self._take(hello)
        line.send(self._welcome())
        if before is not line:
            line.begin(tasks)

    def _greet_another(self, line: Line, protocol: int | None) -> None:
        """A controller of another version: it learns our protocol from the Welcome, may tell us to end when we are
        idle and, like anybody, may stop. What runs goes on; its successor tells what came of it."""
        log.warning("controller speaks protocol %s, we speak %d", protocol, PROTOCOL_VERSION)
        line.foreign = True
        line.send(self._welcome())

    async def _close_unless_greeted(self, line: Line, peer: PeerLink) -> None:
        await self._shared.clock.sleep(HELLO_PATIENCE_S)
        if line is not self._line and not line.foreign:
            log.warning("somebody connected and said no hello for %.0f s; closed", HELLO_PATIENCE_S)
            peer.close()


class _LineEnded(Exception):
    """The line ended."""


class Line:
    """What goes out on one link to a controller, each kind in a task of its own."""

    def __init__(self, peer: PeerLink, shared: Shared, in_flight: int) -> None:
        """Sends nothing before `begin`."""
        self.foreign = False
        """Whether a controller of another protocol is at its other end."""
        self._peer = peer
        self._shared = shared
        self._in_flight = in_flight
        self._outcomes: deque[Outcome | Reply] = deque(maxlen=OUTCOMES_KEPT)
        self._posted = asyncio.Event()
        self._sent = 0
        self._resend_at_s: float | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to send, from the oldest report that was not acknowledged."""
        for sending in (self._send_reports(), self._send_outcomes(), self._send_telemetry()):
            tasks.create_task(sending)

    def post(self, outcome: Outcome | Reply) -> None:
        """Send an outcome when there is room."""
        self._outcomes.append(outcome)
        self._posted.set()

    def send(self, message: ToController) -> bool:
        """Send now; False when there is no room."""
        return self._peer.send(encode(message))

    def close(self) -> None:
        """Close the link; its tasks end."""
        self._peer.close()

    async def _send_reports(self) -> None:
        fresh = self._shared.reports.fresh
        while True:
            fresh.clear()
            if not self._go_back():
                await self._shared.journal.settle(self._now_s() + SETTLE_PATIENCE_S)
                await self._send_due()
            try:
                async with asyncio.timeout_at(self._resend_at_s):
                    await fresh.wait()
            except TimeoutError:
                pass

    def _go_back(self) -> bool:
        """Begin again at the oldest report that is not acknowledged, if that is overdue. Whether there is none."""
        reports = self._shared.journal.state.content.reports
        if not reports:
            self._resend_at_s = None
        elif self._resend_at_s is not None and self._resend_at_s <= self._now_s():
            self._sent = 0
            self._resend_at_s = None
        return not reports

    async def _send_due(self) -> None:
        """Send what fits in the window of what is durable now."""
        state = self._shared.journal.state
        on_the_way = sum(1 for number in state.content.reports if number <= self._sent)
        due = state.unacknowledged(self._sent, state.content.last_sequence)[: max(0, self._in_flight - on_the_way)]
        for report in due:
            while not self.send(report):
                await self._shared.clock.sleep(FULL_RETRY_S)
            self._sent = report.sequence
            self._resend_at_s = self._now_s() + RESEND_AFTER_S

    async def _send_outcomes(self) -> None:
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._outcomes:
                if self.send(self._outcomes[0]):
                    self._outcomes.popleft()
                else:
                    await self._shared.clock.sleep(FULL_RETRY_S)

    async def _send_telemetry(self) -> None:
        board = self._shared.telemetry
        while True:
            await board.fresh.wait()
            due = board.take()
            pause_s = TELEMETRY_EVERY_S / max(1, -(-len(due) // TELEMETRY_AT_ONCE))
            for begin in range(0, len(due), TELEMETRY_AT_ONCE):
                for read in due[begin : begin + TELEMETRY_AT_ONCE]:
                    self.send(read())  # without room for it the next reading does as well
                await self._shared.clock.sleep(pause_s)

    def _now_s(self) -> float:
        return self._shared.clock.monotonic()
