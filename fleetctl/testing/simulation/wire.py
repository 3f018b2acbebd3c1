"""The cable between an agent and a machine, watched: program lines go out only on the link that began them.

Checks I12 (a new link never goes on with a program), I13 (no real-time byte in the ordinary lane) and that the lines
sent are those of one program in order. It must not know why anything is sent.
"""

from __future__ import annotations

from fleetctl.errors import LinkError
from fleetctl.testing.simulation.continuations import Follower
from fleetctl.testing.simulation.process import Process
from fleetctl.testing.simulation.programs import Library, SimulatedProgram
from fleetctl.testing.simulation.record import Record
from fleetctl.testing.simulation.rig import Rig
from fleetctl.transport.base import Receiver, Transport


class WatchedTransport:
    """A `Transport` of `process`, which hears nothing more once it is dead."""

    def __init__(self, inner: Transport, rig: Rig, process: Process, library: Library, record: Record) -> None:
        self.url = inner.url
        self._inner = inner
        self._rig = rig
        self._process = process
        self._library = library
        self._record = record
        self._receiver: Receiver | None = None
        self._partial = b""
        self._program: SimulatedProgram | None = None
        self._sent_line = 0
        self._follower: Follower | None = None
        process.on_death.append(self._inner.close)

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Open the cable."""
        self._receiver = receiver
        await self._inner.open(self, deadline_s)

    def write(self, data: bytes) -> None:
        """Look, then pass on."""
        if not self._process.alive:
            return
        self._look(data)
        self._inner.write(data)

    @property
    def unsent_bytes(self) -> int:
        """As the cable says."""
        return self._inner.unsent_bytes

    def discard_output(self) -> int:
        """Drop what has not left."""
        self._partial = b""
        return self._inner.discard_output()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Pass on."""
        if self._process.alive:
            for line in data.split(b"\n"):
                self._rig.was_told(line.decode("latin-1").strip())
            self._inner.urgent(data, at_line_start=at_line_start)

    def close(self) -> None:
        """Close."""
        self._receiver = None
        self._inner.close()

    def data_received(self, data: bytes, now_s: float) -> None:
        """From the machine, on behalf of the process that opened the link."""
        if self._process.alive and self._receiver is not None:
            with self._process.inside():
                self._receiver.data_received(data, now_s)

    def lost(self, reason: LinkError) -> None:
        """The cable is gone."""
        receiver, self._receiver = self._receiver, None
        if self._process.alive and receiver is not None:
            with self._process.inside():
                receiver.lost(reason)

    def _look(self, data: bytes) -> None:
        forbidden = self._rig.kind.forbidden_ordinary
        if forbidden is not None and forbidden.search(data):
            self._record.violation("I13", f"{data!r} for {self._rig.name} holds a real-time byte")
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            found = self._rig.kind.wire_line.match(line.rstrip(b"\r"))
            text = (found[1] if found else line).decode("latin-1").strip()
            if self._continues(text):
                continue
            place = self._library.by_line.get(text)
            if place is not None:
                self._program_line(*place)
            elif text:
                self._rig.was_told(text)

    def _continues(self, text: str) -> bool:
        """A line of a program that begins in the middle of another one; a line that was sent may be sent again."""
        program = self._rig.continuation()
        if program is not None and (self._follower is None or self._follower.program is not program):
            self._follower = Follower(program)
        elif program is None and self._library.by_line.get(text, (None, -1))[1] == 0:
            self._follower = None  # another program begins
        follower = self._follower
        if follower is None:
            return False
        begun = follower.begun
        if follower.passes(text):
            if follower.begun and not begun:
                self._rig.is_sent(program or follower.program)
            return True
        return follower.begun and text in follower.program.lines[: follower.at]

    def _program_line(self, program: SimulatedProgram, number: int) -> None:
        if number == 0 and (program is not self._program or self._sent_line == len(program.lines) - 1):
            self._program, self._sent_line = program, 0
            self._rig.is_sent(program)
        elif program is not self._program or number > self._sent_line + 1:
            self._record.violation(
                "I12", f"line {number} of {program.name} goes to {self._rig.name} on a link that did not come to it"
            )
        else:
            self._sent_line = max(self._sent_line, number)
