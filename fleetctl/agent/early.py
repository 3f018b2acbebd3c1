"""Heat and spindle off before a machine has identified itself.

A machine whose agent died goes on with what it had planned, and answers no question before it rests: a mill may cut
for minutes. Must not know links or runs; the session says when.
"""

from __future__ import annotations

import logging

from fleetctl.clock import Clock
from fleetctl.driver.api import Driver
from fleetctl.errors import FleetctlError, LinkError

log = logging.getLogger(__name__)

QUIET_S = 1.0
"""A machine at rest has identified itself by then, and is made safe when it has."""


async def make_safe_while_connecting(driver: Driver, clock: Clock, name: str) -> None:
    """Try once the port is open, until the firmware was told. Cancel it when the machine is connected."""
    while True:
        await clock.sleep(QUIET_S)
        try:
            await driver.make_safe()
        except LinkError:
            continue  # the port is not open yet
        except FleetctlError as error:
            log.warning("%s: told to switch off before it was identified: %s", name, error)
        return
