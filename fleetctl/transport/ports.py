"""The serial ports of this computer: their lasting names, and what stands in the way of opening them. Opens none.

Cheap USB chips (CH340, PL2303) carry no serial number, so two equal boards would swap their `/dev/ttyUSB` numbers and
share one name below `by-id` (klipper#5186); the name below `by-path` stands for the socket they are plugged into. It
must not know firmwares or machines.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from serial.tools import list_ports

from fleetctl.transport.holders import holders_of
from fleetctl.transport.opener import device_path

SERIAL_NAMES = Path("/dev/serial")
"""Where udev puts lasting names (60-serial.rules)."""


class SerialPort(msgspec.Struct, frozen=True, kw_only=True):
    """One port. `by_path` and `by_id` are empty where udev gave none; `usb` is vendor and product in hexadecimal."""

    device: str
    title: str
    by_path: str = ""
    by_id: str = ""
    usb: str = ""
    serial_number: str = ""
    problem: str = ""

    @property
    def name(self) -> str:
        """The name that lasts longest."""
        return self.by_path or self.device


def serial_ports(names: Path = SERIAL_NAMES) -> list[SerialPort]:
    """Every USB serial port and every other one that udev named, by name. Blocks for some milliseconds."""
    by_path, by_id = _links(names / "by-path"), _links(names / "by-id")
    listed = [port for port in list_ports.comports() if port.vid is not None or port.device in by_path]
    holders = holders_of(port.device for port in listed)
    found = [
        SerialPort(
            device=port.device,
            title=port.description if port.description and port.description != "n/a" else port.device,
            by_path=by_path.get(port.device, ""),
            by_id=by_id.get(port.device, ""),
            usb="" if port.vid is None else f"{port.vid:04x}:{port.pid or 0:04x}",
            serial_number=port.serial_number or "",
            problem=_problem(port.device, [str(holder) for holder in holders[port.device]]),
        )
        for port in listed
    ]
    return sorted(found, key=lambda port: port.name)


def lasting(url: str, names: Path = SERIAL_NAMES) -> str:
    """`url` with the by-path name of its device, if it is called by a number that the next start may give to another;
    else unchanged: a name that somebody chose below `/dev/serial` or by a udev rule of their own stays."""
    path = device_path(url)
    if path is None or Path(path).is_symlink() or not Path(path).exists():
        return url
    name = _links(names / "by-path").get(os.path.realpath(path))
    if name is None:
        return url
    parts = urlsplit(url)
    return ("serial://" if parts.scheme else "") + name + (f"?{parts.query}" if parts.query else "")


def _links(folder: Path) -> dict[str, str]:
    """Names by device. Newer udev gives USB ports two (`-usb-` and `-usbv2-`); the first by alphabet is taken."""
    links = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
    return {os.path.realpath(link): str(link) for link in links}


def _problem(device: str, holders: list[str]) -> str:
    if not os.access(device, os.R_OK | os.W_OK):
        return f"You may not open it: join the group that owns it ({_group(device)}) and log in again."
    return f"Busy: {' and '.join(holders)} has it open." if holders else ""


def _group(device: str) -> str:
    try:
        return Path(device).group()
    except (OSError, KeyError):
        return "dialout"
