"""Serial ports where a machine may be, under the names that last. It must not know firmwares: nothing is opened."""

from __future__ import annotations

from pathlib import Path

from fleetctl.plugin.hookspecs import FoundPort
from fleetctl.transport import ports


def serial_ports(names: Path = ports.SERIAL_NAMES) -> list[FoundPort]:
    """One entry for each port that may be a machine's, sorted by the name to add it under."""
    return [
        FoundPort(
            port=port.name,
            title=port.title,
            identity=":".join(part for part in (port.usb, port.serial_number) if part),
            device=port.device,
            names=tuple(name for name in (port.by_path, port.by_id) if name),
            problem=port.problem,
        )
        for port in ports.serial_ports(names)
    ]
