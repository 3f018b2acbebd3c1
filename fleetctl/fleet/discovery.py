"""Where machines may be: asks every plug-in for ports; opens none."""

from __future__ import annotations

import logging

import msgspec
import sqlalchemy as sa

from fleetctl.fleet.hooks import HookFailed, Hooks
from fleetctl.fleet.record import Record
from fleetctl.plugin.hookspecs import FoundPort
from fleetctl.store import machines
from fleetctl.transport.opener import device_of

log = logging.getLogger(__name__)

HOOK = "fleetctl_discover"


class Discovery:
    """The ports that plug-ins know of, and which machine on record has them."""

    def __init__(self, hooks: Hooks, record: Record) -> None:
        self._hooks = hooks
        self._record = record

    async def ports(self) -> list[FoundPort]:
        """Every port once, by name; a plug-in that fails is left out and logged."""
        found: dict[str, FoundPort] = {}
        for name, implementation in self._hooks.named(HOOK):
            try:
                answer = await self._hooks.call(HOOK, name, implementation)
            except HookFailed as error:
                log.warning("discovery: %s", error)
                continue
            for port in answer or ():
                found.setdefault(port.port, port)
        owners = await self._record.look(_owners)
        return [_owned(found[port], owners) for port in sorted(found)]


def _owners(conn: sa.Connection) -> dict[str, str]:
    return {device_of(machine.port): machine.name for machine in machines.every(conn)}


def _owned(port: FoundPort, owners: dict[str, str]) -> FoundPort:
    return msgspec.structs.replace(port, machine=owners.get(device_of(port.port), port.machine))
