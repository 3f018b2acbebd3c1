"""Serial ports where a machine may be: listed from what the system knows, nothing is opened.

The by-path name comes first because cheap USB chips carry no serial number, so that two equal boards would swap
their names (klipper#5186); the path names the socket. It must not know firmwares.
"""

from __future__ import annotations

from pathlib import Path

from serial.tools import list_ports

from fleetctl.plugin.hookspecs import FoundPort

BY_PATH = Path("/dev/serial/by-path")


def serial_ports(by_path: Path = BY_PATH) -> list[FoundPort]:
    """One entry for each USB serial port, under its by-path name where there is one, sorted by it."""
    names = {str(link.resolve()): str(link) for link in sorted(by_path.glob("*"))} if by_path.is_dir() else {}
    found = []
    for port in list_ports.comports():
        if port.vid is None and port.device not in names:
            continue
        chip = "" if port.vid is None else f"{port.vid:04x}:{port.pid or 0:04x}"
        identity = ":".join(part for part in (chip, port.serial_number or "") if part)
        title = port.description if port.description and port.description != "n/a" else port.device
        found.append(FoundPort(port=names.get(port.device, port.device), title=title, identity=identity))
    return sorted(found, key=lambda port: port.port)
