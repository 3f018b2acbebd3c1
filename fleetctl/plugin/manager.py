"""Loads plug-ins and hands out what they contribute; one that fails to load loses only itself.

Who calls hooks, and how long they may take, is `fleet.hooks`. This module must not know any plug-in.
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pluggy

from fleetctl.driver.api import API_VERSION, DriverType
from fleetctl.plugin import hookspecs

log = logging.getLogger(__name__)

GROUP = "fleetctl"
"""The entry-point group in which plug-ins are found."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one plug-in: its name, its distribution, and the error that kept it out (empty: none)."""

    name: str
    distribution: str
    error: str = ""


class PluginManager:
    """The plug-ins of this process."""

    def __init__(self) -> None:
        self._pluggy = pluggy.PluginManager(hookspecs.PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self.loaded: list[Loaded] = []

    def load(self, entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> None:
        """Load every plug-in that is installed, by name; what fails is reported in `loaded` and the log."""
        found = importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points
        for entry_point in sorted(found, key=lambda each: each.name):
            distribution = entry_point.dist.name if entry_point.dist else ""
            error = self._load_one(entry_point)
            self.loaded.append(Loaded(name=entry_point.name, distribution=distribution, error=error))

    def _load_one(self, entry_point: importlib.metadata.EntryPoint) -> str:
        try:
            self.register(entry_point.load(), entry_point.name)
        except Exception as error:  # noqa: BLE001 - loading is the boundary to other people's code
            log.exception("plug-in %s cannot be loaded", entry_point.name)
            return f"{type(error).__name__}: {error}"
        return ""

    def register(self, plugin: object, name: str) -> None:
        """Add a plug-in. Raises ValueError when the name is taken, PluginValidationError when a hook is wrong."""
        self._pluggy.register(plugin, name)
        self._pluggy.check_pending()

    def implementations(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        """Every implementation of a hook as (plug-in name, callable), by name; it gets only what it names."""
        found = getattr(self._pluggy.hook, hook).get_hookimpls()
        return sorted(((impl.plugin_name, impl.function) for impl in found), key=lambda pair: pair[0])

    def drivers(self) -> dict[str, DriverType]:
        """Every machine type by name; one of another API version, or whose name is taken, is left out and logged."""
        drivers: dict[str, DriverType] = {}
        for name, implementation in self.implementations("fleetctl_drivers"):
            for driver in implementation():
                if driver.api_version != API_VERSION:
                    log.error("driver %s of %s is for API version %d", driver.name, name, driver.api_version)
                elif driver.name in drivers:
                    log.error("driver %s of %s is known already and is left out", driver.name, name)
                else:
                    drivers[driver.name] = driver
        return drivers
