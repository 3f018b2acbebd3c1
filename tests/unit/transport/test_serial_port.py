"""The words for why a port does not open, for the reasons that a test cannot cause on every computer."""

import errno
import os

import pytest
import serial

from fleetctl.transport.serial_port import _unavailable


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
