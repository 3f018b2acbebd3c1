"""Opening and configuring one serial port, and saying plainly why it cannot be opened.

All of it may block, so it runs in a thread. It must not know the event loop or who reads the bytes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import termios
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import serial

from fleetctl.errors import LinkUnavailable
from fleetctl.transport.holders import holders

if TYPE_CHECKING:
    from typing_extensions import Buffer

PSEUDO_TERMINALS = "/dev/pts/"

HOLDERS_NAMED = 3

PULSE_S = 0.1
"""Long enough for an AVR board to see the edge on its reset capacitor."""


class ModemLine(StrEnum):
    """What to do with DTR or RTS, which reset or hold many boards. Linux raises both in `open`; nothing prevents that
    first edge, but nothing need follow it."""

    LEAVE = "leave"
    """Leave it as opening leaves it, and do not drop it on closing: a board is reset at most once after it was
    plugged in. (AVR boards reset on the edge: OctoPrint#1945, gnea/grbl#160.)"""
    OFF = "off"
    """Drop it and leave it: for boards that are held in reset while it is set (some CH340 mill boards)."""
    ON = "on"
    """Set it, and let closing drop it: the board is reset at each opening if it is wired so."""
    PULSE = "pulse"
    """Drop it for a tenth of a second and set it: resets the board at each opening, on purpose."""


class SerialSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a port is set up: speed in baud, modem lines, and the oddities of some adapters.

    A port that takes no bytes for `stall_s` seconds counts as lost. `odd_parity_first`: open once with odd parity
    before the real opening, for adapters whose first opening sticks at a wrong setting (OctoPrint#673).
    """

    baud: int = 115200
    dtr: ModemLine = ModemLine.LEAVE
    rts: ModemLine = ModemLine.LEAVE
    odd_parity_first: bool = False
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

    def set_modem_line(self, line: Literal["dtr", "rts"], on: bool) -> None:
        """Set or drop one modem line; a port without them (a pseudo-terminal) stays as it is."""
        try:
            setattr(self, line, on)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):
                raise

    def set_speed(self, baud: int) -> None:
        """Go on at another speed, without closing. Raises SerialException, ValueError: the port has none such."""
        self.baudrate = baud


def open_port(path: str, settings: SerialSettings) -> Port:
    """Open and configure the port at `path` for our use alone. Blocks, also while a modem line is pulsed; raises
    LinkUnavailable."""
    if settings.odd_parity_first:
        first = _open(path, settings, serial.PARITY_ODD)
        try:
            _keep_lines_on_close(first.fileno())
        except (OSError, termios.error) as error:
            raise _unavailable(path, settings.baud, error) from error
        finally:
            first.close()
    port = _open(path, settings, serial.PARITY_NONE)
    try:
        if ModemLine.ON not in (settings.dtr, settings.rts):
            _keep_lines_on_close(port.fileno())
        _claim(port.fileno(), path)
        _pulse(port, settings)
    except (OSError, termios.error) as error:
        port.close()
        raise _unavailable(path, settings.baud, error) from error
    return port


def _open(path: str, settings: SerialSettings, parity: str) -> Port:
    port = Port()
    port.port = path
    port.timeout = 0
    port.write_timeout = 0
    port.exclusive = True
    try:
        port.parity = parity
        port.baudrate = settings.baud
        port.dtr = settings.dtr is not ModemLine.OFF
        port.rts = settings.rts is not ModemLine.OFF
        port.open()
    except (OSError, ValueError, termios.error) as error:
        raise _unavailable(path, settings.baud, error) from error
    return port


def _pulse(port: Port, settings: SerialSettings) -> None:
    wanted = {"dtr": settings.dtr, "rts": settings.rts}
    lines = [line for line in ("dtr", "rts") if wanted[line] is ModemLine.PULSE]
    for on in (False, True):
        for line in lines:
            port.set_modem_line("dtr" if line == "dtr" else "rts", on)
        if lines and not on:
            time.sleep(PULSE_S)


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
        return _busy(path)
    if isinstance(error, ValueError):
        return speed_refused(path, baud)
    if number in (errno.ENOTTY, errno.EISDIR) or "onfigure port" in str(error):
        return LinkUnavailable(f"{path} is not a serial port.", hint="Check the name of the port.")
    return LinkUnavailable(
        f"The port {path} cannot be opened: {error}.", hint="Unplug the machine and plug it in again."
    )


def speed_refused(path: str, baud: int) -> LinkUnavailable:
    """The words for a speed that the port does not have."""
    return LinkUnavailable(f"The port {path} cannot be set to {baud} baud.", hint="Choose another speed.")


def _busy(path: str) -> LinkUnavailable:
    """Names who holds the port where the system tells, else who usually does."""
    known = holders(path)[:HOLDERS_NAMED]
    ours = any(holder.pid == os.getpid() for holder in known)
    others = [str(holder) for holder in known if holder.pid != os.getpid()]
    who = " and ".join(others) or ("another machine of this agent" if ours else "another program")
    has = "have" if len(others) > 1 else "has"
    usual = "It may be a slicer, another host (OctoPrint, Klipper), a serial monitor, ModemManager or brltty. "
    hint = "End that program, or keep it off the port (see docs/how-to/add-a-machine.md), then try again."
    return LinkUnavailable(f"The port {path} is busy: {who} {has} it open.", hint=hint if known else f"{usual}{hint}")


def _group(path: str) -> str:
    """The group that owns the device file; `dialout` on Debian when it cannot be told."""
    try:
        return Path(path).group()
    except (OSError, KeyError):
        return "dialout"
