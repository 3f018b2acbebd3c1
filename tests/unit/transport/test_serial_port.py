"""The words for why a port does not open, for the reasons that a test cannot cause on every computer."""

import asyncio
import errno
import os
import termios

import pytest
import serial

from fleetctl.clock import SystemClock
from fleetctl.errors import LinkUnavailable
from fleetctl.transport import serial as serial_transport
from fleetctl.transport import serial_port
from fleetctl.transport.serial_port import Port, SerialSettings, _unavailable

from .receivers import Recorder


@pytest.mark.parametrize(
    ("number", "message", "hint"),
    [
        (errno.EACCES, "Permission denied for the port /dev/null.", "log in again"),
        (errno.EBUSY, "is busy: another program has it open.", "ModemManager"),
        (errno.EAGAIN, "is busy: another program has it open.", "ModemManager"),
        (errno.ENXIO, "There is no port /dev/null.", "plugged in"),
        (errno.ENOTTY, "/dev/null is not a serial port.", "name of the port"),
        (errno.EIO, "cannot be opened: .*Input/output error", "plug it in again"),
    ],
)
def test_each_reason_has_its_words_and_says_what_to_do(number: int, message: str, hint: str) -> None:
    path = "/dev/ttyNOWHERE7" if number in (errno.EBUSY, errno.EAGAIN) else "/dev/null"
    error = _unavailable(path, 115200, serial.SerialException(number, os.strerror(number)))
    with pytest.raises(type(error), match=message):
        raise error
    assert hint in (error.hint or "")


def test_a_port_that_is_pulled_out_while_it_is_set_up_is_unavailable_and_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, ours = os.openpty()
    path = os.ttyname(ours)
    opened: list[Port] = []

    def pulled_out(path: str, settings: SerialSettings) -> Port:
        opened.append(serial_port.open_port(path, settings))
        os.close(machine)
        return opened[0]

    monkeypatch.setattr(serial_transport, "open_port", pulled_out)

    async def run() -> None:
        transport = serial_transport.SerialTransport(path, path, SystemClock())
        with pytest.raises(LinkUnavailable, match="is gone"):
            await transport.open(Recorder(), asyncio.get_running_loop().time() + 10.0)
        transport.close()

    asyncio.run(run())
    os.close(ours)
    assert not opened[0].is_open


def test_a_port_that_is_pulled_out_at_its_first_opening_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, ours = os.openpty()

    def gone(descriptor: int) -> None:
        raise termios.error(errno.EIO, "Input/output error")

    monkeypatch.setattr(serial_port, "_keep_lines_on_close", gone)
    with pytest.raises(LinkUnavailable):
        serial_port.open_port(os.ttyname(ours), SerialSettings(odd_parity_first=True))
    os.close(machine)
    os.close(ours)
