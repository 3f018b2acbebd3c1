"""Telnet's COM-PORT option (RFC 2217): speed, form and modem lines of a serial port at the other end of a connection.

Sans-I/O, on `TelnetCodec`. It must not know sockets, or what a machine says.
"""

from __future__ import annotations

from enum import Enum, auto

from fleetctl.transport.serial_port import ModemLine, SerialSettings
from fleetctl.transport.telnet import BINARY, SUPPRESS_GO_AHEAD, TelnetCodec

COM_PORT = 44

SET_BAUDRATE, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL, PURGE_DATA = 1, 2, 3, 4, 5, 12
SUSPEND, RESUME = 8, 9
FROM_SERVER = 100
"""The server's answers and notices have the number of the request plus this."""

NO_PARITY, ONE_STOP_BIT, NO_FLOW_CONTROL = 1, 1, 1
DTR_ON, DTR_OFF, RTS_ON, RTS_OFF = 8, 9, 11, 12
PURGE_OUTPUT = 2


class Agreed(Enum):
    """How far both sides are."""

    NOT_YET = auto()
    YES = auto()
    REFUSED = auto()


class ComPort:
    """The client's side. Feed the codec's subnegotiations to `heard`; what to send collects in the codec."""

    def __init__(self, settings: SerialSettings) -> None:
        self.codec = TelnetCodec(ours=frozenset({COM_PORT}))
        self.suspended = False
        """The server's buffer is full: it asks for no more data."""
        self.baud: int | None = None
        """The speed that the server says the port has."""
        self._settings = settings
        self._set = False

    def begin(self) -> None:
        """Offer the option; 8-bit data both ways."""
        self.codec.offer(COM_PORT, BINARY, SUPPRESS_GO_AHEAD)
        self.codec.ask(BINARY, SUPPRESS_GO_AHEAD)

    def heard(self) -> None:
        """Look at what the codec has taken in."""
        if self.codec.we_do(COM_PORT) and not self._set:
            self._set = True
            self._set_up()
        for option, content in self.codec.subnegotiations:
            if option == COM_PORT and content:
                self._notice(content[0] % FROM_SERVER, content[1:])
        self.codec.subnegotiations.clear()

    @property
    def agreed(self) -> Agreed:
        """YES once the server has named the speed of the port."""
        if COM_PORT in self.codec.refused:
            return Agreed.REFUSED
        return Agreed.YES if self.baud is not None else Agreed.NOT_YET

    def set_speed(self, baud: int) -> None:
        """Ask for another speed; `baud` is None until the server has answered."""
        self.baud = None
        self._request(SET_BAUDRATE, baud.to_bytes(4, "big"))

    def set_lines(self, dtr: bool | None, rts: bool | None) -> None:
        """Set or drop modem lines; None leaves one as it is."""
        if dtr is not None:
            self._request(SET_CONTROL, bytes([DTR_ON if dtr else DTR_OFF]))
        if rts is not None:
            self._request(SET_CONTROL, bytes([RTS_ON if rts else RTS_OFF]))

    def purge_output(self) -> None:
        """Ask the server to drop what it has not sent to the machine yet."""
        if self._set:
            self._request(PURGE_DATA, bytes([PURGE_OUTPUT]))

    def _set_up(self) -> None:
        self.set_speed(self._settings.baud)
        for command, value in (
            (SET_DATASIZE, 8),
            (SET_PARITY, NO_PARITY),
            (SET_STOPSIZE, ONE_STOP_BIT),
            (SET_CONTROL, NO_FLOW_CONTROL),
        ):
            self._request(command, bytes([value]))
        wanted = {ModemLine.LEAVE: None, ModemLine.ON: True, ModemLine.OFF: False, ModemLine.PULSE: False}
        self.set_lines(wanted[self._settings.dtr], wanted[self._settings.rts])

    def _notice(self, command: int, content: bytes) -> None:
        if command == SET_BAUDRATE and len(content) == 4:
            self.baud = int.from_bytes(content, "big")
        elif command in (SUSPEND, RESUME):
            self.suspended = command == SUSPEND

    def _request(self, command: int, content: bytes) -> None:
        self.codec.subnegotiate(COM_PORT, bytes([command]) + content)
