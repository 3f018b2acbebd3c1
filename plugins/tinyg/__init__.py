"""Machines with TinyG or g2core, on a serial port or behind a TCP bridge."""

from __future__ import annotations

from fleetctl.driver.api import DriverType
from fleetctl.plugin.hookspecs import hookimpl

from .driver import DRIVER


@hookimpl
def fleetctl_drivers() -> list[DriverType]:
    """The TinyG driver. Ports are listed by the marlin plug-in: they look the same until something answers."""
    return [DRIVER]
