"""A machine on a serial port (USB, UART or pseudo-terminal), over pyserial-asyncio.

Moves bytes through an open port; `serial_port` opens it. pyserial-asyncio holds the link and writes what the port
does not take at once; the common case of both ways goes straight to the port, because that layer doubles what a line
costs, and of a stream is answered there at once (docs/explanation/streaming.md). It must not know baud rates of
firmwares, lines or greetings; speed and the policy for the modem lines come from the machine's settings.
"""

from __future__ import annotations

import asyncio
import os
import termios

import serial
import serial_asyncio

from fleetctl.clock import Clock
from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.protocol.lane import CompiledLane, LanePort
from fleetctl.transport.base import LaneOwner, Receiver
from fleetctl.transport.opening import open_in_thread
from fleetctl.transport.output import LINE_FEED, OutputBuffer, StallWatch
from fleetctl.transport.port_loop import read, read_no_more
from fleetctl.transport.serial_port import Port, SerialSettings, open_port, speed_refused


class SerialTransport(asyncio.Protocol):
    """A `Transport` over one serial port. `url` is what the operator named, `path` the device."""

    def __init__(self, url: str, path: str, clock: Clock, settings: SerialSettings | None = None) -> None:
        self.url = url
        self._path = path
        self._clock = clock
        self._settings = settings or SerialSettings()
        self._output = OutputBuffer()
        self._handed = b""
        self._stall = StallWatch(self._settings.stall_s, self._stalled)
        self._port: Port | None = None
        self._lane_port: LanePort | None = None
        self._link: serial_asyncio.SerialTransport | None = None
        self._receiver: Receiver | None = None
        self._reason: LinkError | None = None

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Open and configure the port. Raises LinkUnavailable: no such port, no permission, busy, too
        slow.
        """
        port = await open_in_thread(
            lambda: open_port(self._path, self._settings),
            dispose=Port.close,
            deadline_s=deadline_s,
            what=f"The port {self._path}",
        )
        loop = asyncio.get_running_loop()
        try:
            self._link = serial_asyncio.SerialTransport(loop, self, port)  # which sets the port up once more
        except (OSError, ValueError, termios.error) as error:
            port.close()
            lost = _lost(self._path, error)
            raise LinkUnavailable(lost.message, hint=lost.hint) from error
        self._port = port
        self._lane_port = LanePort(port.fileno(), self, self._output)
        self._receiver = receiver
        self._link.set_write_buffer_limits(high=0)
        loop.call_soon(self._read_ourselves, self._link, port.fileno(), self._lane_port)

    def write(self, data: bytes) -> None:
        """Queue `data`; the port takes at once what it has room for."""
        port = self._port
        if port is None:
            return
        if self._output.unsent_bytes == 0:
            try:
                taken = port.write(data)
            except serial.SerialException as error:
                self._give_up(_lost(self._path, error))
                return
            self.rest_waits(data, taken)
            return
        self._output.push(data)
        self._pump()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the port's driver has not taken from us."""
        handed_left = self._link.get_write_buffer_size() if self._link is not None and self._handed else 0
        return len(self._output) - len(self._handed) + handed_left

    def discard_output(self) -> int:
        """Drop our unsent output and the kernel's; gives the bytes dropped."""
        if self._port is None:
            return 0
        self._take_back()
        self._stall.progressed()
        return self._output.clear() + self._port.discard_kernel_output()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Send `data` ahead of all that the kernel has not taken yet."""
        if self._link is not None:
            self._take_back()
            self._output.push_urgent(data, at_line_start=at_line_start)
            self._pump()

    def set_speed(self, baud: int) -> None:
        """Go on at another speed. Raises LinkUnavailable when the port does not have it."""
        if self._port is not None:
            try:
                self._port.set_speed(baud)
            except (OSError, ValueError, termios.error) as error:
                raise speed_refused(self._path, baud) from error

    def close(self) -> None:
        """Close at once; never waits for output to drain."""
        self._receiver = None
        if self._link is not None:
            self._take_back()
            self._link.abort()
        self._forget()

    def carry(self, lane: CompiledLane | None, owner: LaneOwner | None) -> None:
        """Let the lane answer at the port."""
        if self._lane_port is not None:
            self._lane_port.carry(lane, owner)

    # What pyserial-asyncio calls

    def data_received(self, data: bytes) -> None:
        """Bytes from the port."""
        if self._receiver is not None:
            self._receiver.data_received(data, self._clock.monotonic())

    def pause_writing(self) -> None:
        """The port took less than we gave; `resume_writing` follows when it took the rest."""

    def resume_writing(self) -> None:
        """The port took the rest of what was handed over."""
        if self._handed:
            self._output.consume(len(self._handed))
            self._handed = b""
            self._stall.progressed()
            self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """The port is gone."""
        receiver, self._receiver = self._receiver, None
        self._forget()
        if receiver is not None:
            receiver.lost(self._reason or _lost(self._path, exc))

    # What the port calls

    def bytes_came(self, data: bytes) -> None:
        """Bytes that no lane took."""
        self.data_received(data)

    def rest_waits(self, data: bytes, taken: int) -> None:
        """The port took so many bytes of `data`; the rest, if there is one, goes when it has room."""
        if taken:
            self._output.inside_line = data[taken - 1] != LINE_FEED[0]
        if taken < len(data):
            self._output.push(data[taken:])
            self._pump()

    def port_failed(self, number: int) -> None:
        """Reading or writing failed with this `errno`."""
        self._give_up(_lost(self._path, OSError(number, os.strerror(number))))

    # Ours

    def _read_ourselves(self, link: serial_asyncio.SerialTransport, descriptor: int, port: LanePort) -> None:
        """Takes the place of pyserial-asyncio's reader, which has just been added."""
        if link is self._link:
            asyncio.get_running_loop().remove_reader(descriptor)
            read(port)

    def _pump(self) -> None:
        """Gives the port what it takes at once, and hands the rest of one piece to pyserial-asyncio."""
        while self._port is not None and self._link is not None and not self._handed:
            piece = self._output.next_piece()
            if not piece:
                return
            try:
                taken = self._port.write(piece)
            except serial.SerialException as error:
                self._give_up(_lost(self._path, error))
                return
            self._output.consume(taken)
            if taken < len(piece):
                self._handed = self._output.next_piece()
                self._stall.waiting()
                self._link.write(self._handed)

    def _take_back(self) -> None:
        """Takes back what pyserial-asyncio has not written yet, so that it can be dropped or overtaken."""
        handed, self._handed = self._handed, b""
        if handed and self._link is not None:
            self._output.consume(len(handed) - self._link.get_write_buffer_size())
            self._link.flush()

    def _stalled(self) -> None:
        self._give_up(
            LinkError(
                f"The port {self._path} took no bytes for {self._settings.stall_s:g} s.",
                hint="Look whether the machine is powered and its cable sits well.",
            )
        )

    def _give_up(self, reason: LinkError) -> None:
        """Ends the link; the receiver hears of it through `connection_lost`, never from inside our
        methods.
        """
        self._reason = reason
        if self._link is not None:
            self._take_back()
            self._link.abort()
        self._forget()

    def _forget(self) -> None:
        self._stall.progressed()
        self._output.clear()
        self._handed = b""
        if self._lane_port is not None:
            read_no_more(self._lane_port)
            self._lane_port.shut()
        self._lane_port = self._port = None
        self._link = None


def _lost(path: str, cause: Exception | None) -> LinkError:
    detail = f" ({cause})" if cause is not None else ""
    return LinkError(
        f"The port {path} is gone{detail}.",
        hint="Look whether the machine is powered and its cable sits well; it is looked for again by itself.",
    )
