"""A link to a simulated machine inside this process, on the running loop's timers.

Works the same under a real loop and under the virtual one. It knows that there is a machine with a clock of
its own at the other end, but must not know what kind; `fleetctl.sim` provides some, any object of that shape
will do.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from fleetctl.clock import Clock
from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.transport.base import Receiver
from fleetctl.transport.delay import DelayLine
from fleetctl.transport.output import OutputBuffer


class MachineInMemory(Protocol):
    """A sans-I/O pretend machine; times are seconds of machine time, never decreasing."""

    def receive(self, data: bytes, now_s: float) -> None:
        """Bytes from the host."""
        ...

    def take_output(self) -> bytes:
        """What the machine has said since the last call."""
        ...

    def next_deadline(self) -> float | None:
        """When something will happen by itself; None when only bytes can make something happen."""
        ...

    def elapse(self, now_s: float) -> None:
        """Let time pass up to `now_s`."""
        ...


class MemoryMachine:
    """Keeps one simulated machine going on the running loop, with or without a link.

    Machine time is 0 when this object is made, and runs `speedup` times as fast as `clock`. Bytes take
    `latency_s` each way. What the machine says while no link is open is gone, as on a wire. `wake` must be
    called after something was done to the machine from outside (a fault, a reset), so that what it says goes
    out.
    """

    def __init__(
        self, machine: MachineInMemory, clock: Clock, *, speedup: float = 1.0, latency_s: float = 0.0
    ) -> None:
        self.machine = machine
        self.latency_s = latency_s
        self._clock = clock
        self._speedup = speedup
        self._origin_s = clock.monotonic()
        self._latest_s = 0.0
        self._link: MemoryTransport | None = None
        self._plugged_in = True
        self._timer: asyncio.TimerHandle | None = None

    def now_s(self) -> float:
        """Machine time now, in seconds."""
        return max(self._latest_s, (self._clock.monotonic() - self._origin_s) * self._speedup)

    def wake(self) -> None:
        """Let time pass up to now, send what the machine said, and set the timer for what comes next."""
        self._run(self.now_s())

    def unplug(self) -> None:
        """Pull the cable: an open link is lost, and none can be opened until `plug_in`."""
        self._plugged_in = False
        link, self._link = self._link, None
        if link is not None:
            link.cut(LinkError("The cable was pulled."))

    def plug_in(self) -> None:
        """The cable is back."""
        self._plugged_in = True

    def power_off(self) -> None:
        """Stop the machine's timer for good: the end of a simulation."""
        self.unplug()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def attach(self, link: MemoryTransport) -> None:
        """Make `link` the one link. Raises LinkUnavailable when it is unplugged or busy."""
        if not self._plugged_in:
            raise LinkUnavailable(f"There is no port {link.url}.", hint="Plug the machine in.")
        if self._link is not None:
            raise LinkUnavailable(f"The port {link.url} is busy.", hint="Close the other link first.")
        self._link = link
        self.wake()

    def detach(self, link: MemoryTransport) -> None:
        """`link` was closed by its owner; the machine goes on."""
        if self._link is link:
            self._link = None

    def hear(self, data: bytes) -> None:
        """Bytes from the link arrive at the machine."""
        now_s = self.now_s()
        self.machine.receive(data, now_s)
        self._run(now_s)

    def _run(self, now_s: float) -> None:
        self._latest_s = now_s
        self.machine.elapse(now_s)
        data = self.machine.take_output()
        if data and self._link is not None:
            self._link.arriving(data)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_s = self.machine.next_deadline()
        if deadline_s is not None:
            when_s = self._origin_s + deadline_s / self._speedup
            self._timer = asyncio.get_running_loop().call_at(when_s, self._due, deadline_s)

    def _due(self, deadline_s: float) -> None:
        self._timer = None
        # Rounding may bring the timer a hair before the deadline it stands for.
        self._run(max(self.now_s(), deadline_s))


class MemoryTransport:
    """A `Transport` to a `MemoryMachine`."""

    def __init__(self, url: str, machine: MemoryMachine, clock: Clock) -> None:
        self.url = url
        self._machine = machine
        self._clock = clock
        self._output = OutputBuffer()
        self._sending: asyncio.Handle | None = None
        self._to_machine: DelayLine[bytes] = DelayLine(machine.hear)
        self._from_machine: DelayLine[bytes] = DelayLine(self._arrived)
        self._receiver: Receiver | None = None

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Attach to the machine. Raises LinkUnavailable when it is unplugged or another link is open."""
        if self._clock.monotonic() >= deadline_s:
            raise LinkUnavailable(f"The port {self.url} did not open in time.")
        self._machine.attach(self)
        self._receiver = receiver

    def write(self, data: bytes) -> None:
        """Queue `data`; it leaves at the next turn of the loop."""
        if self._receiver is not None:
            self._output.push(data)
            self._send_soon()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that have not left yet."""
        return len(self._output)

    def discard_output(self) -> int:
        """Drop what has not left yet."""
        return self._output.clear()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Send `data` ahead of what has not left yet."""
        if self._receiver is not None:
            self._output.push_urgent(data, at_line_start=at_line_start)
            self._send_soon()

    def close(self) -> None:
        """Close at once."""
        self._machine.detach(self)
        self._shut()

    # What the machine's side calls

    def arriving(self, data: bytes) -> None:
        """The machine said something."""
        self._from_machine.push(data, self._machine.latency_s)

    def cut(self, reason: LinkError) -> None:
        """The link is broken from the machine's side; the receiver hears of it at the next turn."""
        receiver = self._receiver
        self._shut()
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.lost, reason)

    def _arrived(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.data_received(data, self._clock.monotonic())

    def _send_soon(self) -> None:
        if self._sending is None:
            self._sending = asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._sending = None
        while piece := self._output.next_piece():
            self._output.consume(len(piece))
            self._to_machine.push(piece, self._machine.latency_s)

    def _shut(self) -> None:
        self._receiver = None
        self._output.clear()
        self._to_machine.clear()
        self._from_machine.clear()
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
