"""A machine behind a connection that speaks telnet: plain (`telnet://`), or with a serial port that we set up at the
other end (`rfc2217://`).

The words are in `telnet` and `com_port`; this joins them to the socket. A byte 255 of ours and a command are never
cut in two, whatever is discarded or overtaken. It must not know firmware words.
"""

from __future__ import annotations

import asyncio

from fleetctl.clock import Clock
from fleetctl.errors import LinkUnavailable
from fleetctl.transport.base import Receiver
from fleetctl.transport.com_port import Agreed, ComPort
from fleetctl.transport.held import HeldReceiver
from fleetctl.transport.serial_port import PULSE_S, ModemLine, SerialSettings, speed_refused
from fleetctl.transport.tcp import TcpSettings, TcpTransport
from fleetctl.transport.telnet import IAC, TelnetCodec, escaped

AGREE_S = 5.0
"""How long a bridge may take to agree on RFC 2217; ser2net answers within milliseconds."""


class TelnetTransport(TcpTransport):
    """A `Transport` over telnet. It begins no negotiation, and refuses all but 8-bit data and no go-ahead."""

    def __init__(
        self,
        url: str,
        host: str,
        port: int,
        clock: Clock,
        settings: TcpSettings | None = None,
        codec: TelnetCodec | None = None,
    ) -> None:
        super().__init__(url, host, port, clock, settings)
        self._codec = codec or TelnetCodec()

    def _decoded(self, data: bytes) -> bytes:
        said = self._codec.receive(data)
        self._heed()
        return said

    def _heed(self) -> None:
        """Send what the codec wants to say."""
        if self._codec.replies:
            self._first += self._codec.replies
            self._codec.replies.clear()
            self._pump()

    def _encoded(self, piece: bytes) -> bytes:
        return escaped(piece)

    def _taken(self, piece: bytes, wire_bytes: int) -> int:
        if IAC not in piece:
            return wire_bytes
        count = 0
        for byte in piece:
            size = 2 if byte == IAC else 1
            if size > wire_bytes:
                break
            wire_bytes -= size
            count += 1
        if wire_bytes:  # the first half of a doubled byte is out
            self._first.append(IAC)
            count += 1
        return count


class Rfc2217Transport(TelnetTransport):
    """A `Transport` to a serial port behind RFC 2217. A stop also drops what the bridge has not passed on."""

    def __init__(
        self,
        url: str,
        host: str,
        port: int,
        clock: Clock,
        settings: TcpSettings | None = None,
        serial: SerialSettings | None = None,
    ) -> None:
        self._serial = serial or SerialSettings()
        self._com_port = ComPort(self._serial)
        super().__init__(url, host, port, clock, settings, self._com_port.codec)
        self._changed = asyncio.Event()

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Connect and set the port up. Raises LinkUnavailable, also when the bridge has no such option or speed."""
        held = HeldReceiver()
        await super().open(held, deadline_s)
        try:
            self._com_port.begin()
            self._heed()
            await self._agree(held, min(deadline_s, self._clock.monotonic() + AGREE_S))
            await self._pulse()
            held.release(receiver)
        except BaseException:
            self.close()
            raise

    def set_speed(self, baud: int) -> None:
        """Ask for another speed; the bridge is not waited for."""
        self._com_port.set_speed(baud)
        self._heed()

    def discard_output(self) -> int:
        """Drop our unsent output, and ask the bridge to drop what it holds; that is not counted."""
        dropped = super().discard_output()
        if self._socket is not None:
            self._com_port.purge_output()
            self._heed()
        return dropped

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Send `data` ahead of all unsent output, also while the bridge wants no more: a stop must not wait."""
        self._com_port.suspended = False
        super().urgent(data, at_line_start=at_line_start)

    def _decoded(self, data: bytes) -> bytes:
        said = self._codec.receive(data)
        was_suspended = self._com_port.suspended
        self._com_port.heard()
        self._heed()
        self._changed.set()
        if was_suspended and not self._com_port.suspended:
            self._pump()
        return said

    def _holds_data(self) -> bool:
        return self._com_port.suspended

    def _shut(self) -> None:
        super()._shut()
        self._changed.set()  # who waits for an agreement need not wait any more

    async def _agree(self, held: HeldReceiver, until_s: float) -> None:
        """Wait until both agree on the option and its speed. Raises LinkError."""
        try:
            async with asyncio.timeout_at(until_s):
                while self._com_port.agreed is Agreed.NOT_YET and held.loss is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        held.raise_loss()
        if self._com_port.agreed is not Agreed.YES:
            raise LinkUnavailable(
                f"{self._address} does not speak RFC 2217.",
                hint="Use telnet:// or socket:// if it is a plain bridge.",
            )
        if self._com_port.baud != self._serial.baud:
            raise speed_refused(self.url, self._serial.baud)

    async def _pulse(self) -> None:
        dtr, rts = (True if line is ModemLine.PULSE else None for line in (self._serial.dtr, self._serial.rts))
        if dtr or rts:
            await self._clock.sleep(PULSE_S)
            self._com_port.set_lines(dtr, rts)
            self._heed()
