"""Machines with Marlin-family firmware, on a serial port or behind a TCP bridge."""

from __future__ import annotations

from fleetctl.driver.api import DriverType
from fleetctl.plugin.hookspecs import FoundPort, hookimpl

from .discover import serial_ports
from .driver import DRIVER


@hookimpl
def fleetctl_drivers() -> list[DriverType]:
    """The Marlin driver."""
    return [DRIVER]


@hookimpl
def fleetctl_discover() -> list[FoundPort]:
    """Serial ports of this computer; which firmware answers there is only known after connecting."""
    return serial_ports()
