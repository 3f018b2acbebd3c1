"""Where machines may be: asks every plug-in for ports; opens none."""

from __future__ import annotations

import logging

from fleetctl.fleet.hooks import HookFailed, Hooks
from fleetctl.plugin.hookspecs import FoundPort

log = logging.getLogger(__name__)

HOOK = "fleetctl_discover"


class Discovery:
    """The ports that plug-ins know of."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

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
        return [found[port] for port in sorted(found)]
