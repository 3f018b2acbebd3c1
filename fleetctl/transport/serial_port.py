"""Opening and configuring one serial port, and saying plainly why it cannot be opened.

All of it may block, so it runs in a thread. It must not know the event loop or who reads the bytes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import termios
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import serial

from fleetctl.errors import LinkUnavailable

if TYPE_CHECKING:
    from typing_extensions import Buffer

PSEUDO_TERMINALS = "/dev/pts/"


class ModemLines(StrEnum):
    """What to do with DTR and RTS, which reset or hold many boards."""

    KEEP = "keep"
    """Leave them as opening leaves them, and do not drop them on closing: a board is reset at most once."""
    ASSERT = "assert"
    """Set both; the board is reset at each opening if it is wired so."""
    PULSE = "pulse"
    """Drop both for a moment: resets the board on purpose."""
    RELEASE = "release"
    """Drop both and leave them: for boards that are held in reset while DTR is set."""


class SerialSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a port is set up: speed in baud and modem lines.

    A port that takes no bytes for `stall_s` seconds counts as lost.
    """

    baud: int = 115200
    modem_lines: ModemLines = ModemLines.KEEP
    stall_s: float = 10.0


class Port(serial.Serial):
    """pyserial's port with calls that never wait: for use under an event loop that says when it is ready."""

    def read(self, size: int = 1) -> bytes:
        """The bytes that are there, possibly none. Raises SerialException when the port is gone."""
        try:
            data = os.read(self.fileno(), max(size, 4096))
        except BlockingIOError:
            return b""
        except OSError as error:
            raise serial.SerialException(error.errno, os.strerror(error.errno or 0)) from error
        if not data:
            raise serial.SerialException(errno.ENODEV, "hung up")
        return data

    def write(self, data: Buffer, /) -> int:
        """Gives the driver as many of `data` as it takes now; the number taken, 0 when it is full."""
        try:
            return os.write(self.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise serial.SerialException(error.errno, os.strerror(error.errno or 0)) from error

    def flush(self) -> None:
        """Drops what the driver has not sent. pyserial would wait for it here, for ever on a dead link."""
        self.discard_kernel_output()

    def discard_kernel_output(self) -> int:
        """Drops what the driver has not sent; gives how many bytes, as far as the driver tells."""
        try:
            waiting = int(self.out_waiting)
            termios.tcflush(self.fileno(), termios.TCOFLUSH)
        except (OSError, termios.error):
            return 0  # the port is gone, and its output with it
        return waiting

    def set_modem_lines(self, on: bool) -> None:
        """Set or drop DTR and RTS; a port without them (a pseudo-terminal) stays as it is."""
        try:
            self.dtr = on
            self.rts = on
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):
                raise


def open_port(path: str, settings: SerialSettings) -> Port:
    """Open and configure the port at `path` for our use alone. Blocks; raises LinkUnavailable."""
    port = Port()
    port.port = path
    port.timeout = 0
    port.write_timeout = 0
    port.exclusive = True
    on = settings.modem_lines is not ModemLines.RELEASE
    try:
        port.baudrate = settings.baud
        port.dtr = on
        port.rts = on
        port.open()
    except (OSError, ValueError, termios.error) as error:
        raise _unavailable(path, settings.baud, error) from error
    try:
        if settings.modem_lines is ModemLines.KEEP:
            _keep_lines_on_close(port.fileno())
        _claim(port.fileno(), path)
    except (OSError, termios.error) as error:
        port.close()
        raise _unavailable(path, settings.baud, error) from error
    return port


def _claim(descriptor: int, path: str) -> None:
    """Makes other programs' `open` fail, for those that ignore the advisory lock that pyserial takes.

    Not on a pseudo-terminal: there the mark outlives a killed holder as long as the other end is open (seen
    on Linux 6), and nobody could open it again.
    """
    if not os.path.realpath(path).startswith(PSEUDO_TERMINALS):
        fcntl.ioctl(descriptor, termios.TIOCEXCL)


def _keep_lines_on_close(descriptor: int) -> None:
    """Clears HUPCL, so that closing does not drop DTR and the next opening does not raise it."""
    attributes = termios.tcgetattr(descriptor)
    attributes[2] &= ~termios.HUPCL
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _unavailable(path: str, baud: int, error: Exception) -> LinkUnavailable:
    """The operator's words for why a port did not open."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return LinkUnavailable(
            f"There is no port {path}.",
            hint="Look whether the machine is on and plugged in; `fleetctl machine discover` lists ports.",
        )
    if number in (errno.EACCES, errno.EPERM):
        return LinkUnavailable(
            f"Permission denied for the port {path}.",
            hint=f"Add this user to the group {_group(path)} and log in again.",
        )
    if number in (errno.EBUSY, errno.EAGAIN):
        return LinkUnavailable(
            f"The port {path} is busy: another program has it open.",
            hint="Close that program (a slicer, another host, ModemManager), then try again.",
        )
    if isinstance(error, ValueError):
        return LinkUnavailable(f"The port {path} cannot be set to {baud} baud.", hint="Choose another speed.")
    if number in (errno.ENOTTY, errno.EISDIR) or "onfigure port" in str(error):
        return LinkUnavailable(f"{path} is not a serial port.", hint="Check the name of the port.")
    return LinkUnavailable(
        f"The port {path} cannot be opened: {error}.", hint="Unplug the machine and plug it in again."
    )


def _group(path: str) -> str:
    """The group that owns the device file; `dialout` on Debian when it cannot be told."""
    try:
        return Path(path).group()
    except (OSError, KeyError):
        return "dialout"
