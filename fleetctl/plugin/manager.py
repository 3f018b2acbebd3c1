"""Finds and loads plug-ins, says which did not load and why, and hands out their hooks one by one.

A plug-in that fails loses only itself. Deadlines and threads for hook calls belong to who calls them
(`fleetctl.fleet`); this module must not know what a hook means, except that drivers are collected here.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec
import pluggy

from fleetctl.driver.api import API_VERSION, DriverType
from fleetctl.plugin import hookspecs
from fleetctl.plugin.hookspecs import PROJECT

GROUP = "fleetctl"
"""The entry-point group of plug-ins: `name = "package.module"`."""

_log = logging.getLogger(__name__)


class PluginReport(msgspec.Struct, frozen=True, kw_only=True):
    """One plug-in as found: `error` is empty when it works, else what went wrong and where."""

    name: str
    distribution: str = ""
    version: str = ""
    error: str = ""


class EntryPoint(Protocol):
    """What an entry point of an installed distribution offers."""

    name: str

    def load(self) -> Any:
        """Import and give the plug-in."""
        ...


class PluginManager:
    """The plug-ins of this process. `load` once, then ask."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._reports: dict[str, PluginReport] = {}

    def load(self, entry_points: Iterable[EntryPoint] | None = None) -> list[PluginReport]:
        """Load every installed plug-in, by name, or just these entry points; gives what became of each."""
        found = importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points
        for entry in sorted(found, key=lambda entry: entry.name):
            distribution = getattr(entry, "dist", None)
            name = distribution.name if distribution else ""
            version = distribution.version if distribution else ""
            error = self._load_one(entry)
            self._reports[entry.name] = PluginReport(name=entry.name, distribution=name, version=version, error=error)
        return self.reports()

    def register(self, plugin: object, name: str) -> None:
        """Add a plug-in that is already imported. Raises ValueError when the name is taken or a hook has the wrong
        arguments."""
        self._register(plugin, name)
        self._reports[name] = PluginReport(name=name)

    def reports(self) -> list[PluginReport]:
        """Every plug-in that was found, by name."""
        return [self._reports[name] for name in sorted(self._reports)]

    def implementations(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        """Every implementation of a hook as (plug-in name, callable), in the order of the names.

        The callable takes all arguments of the hook by name, whichever the implementation names, and is a
        coroutine function where the implementation is one. Raises AttributeError for a hook that does not exist.
        """
        caller = getattr(self._manager.hook, hook)
        found = [(impl.plugin_name, _taking_all(impl.function, impl.argnames)) for impl in caller.get_hookimpls()]
        return sorted(found, key=lambda pair: pair[0])

    def drivers(self) -> dict[str, DriverType]:
        """Every machine type by name. One whose hook fails, whose API is another version, or whose name is taken
        is left out, and `reports` says so."""
        drivers: dict[str, DriverType] = {}
        for plugin, implementation in self.implementations("fleetctl_drivers"):
            try:
                offered = list(implementation())
            except Exception as error:  # noqa: BLE001 - the boundary of a hook: a plug-in may raise anything
                self._blame(plugin, f"fleetctl_drivers failed: {type(error).__name__}: {error}", error)
                continue
            for driver in offered:
                if problem := _problem(driver, drivers):
                    self._blame(plugin, problem)
                else:
                    drivers[driver.name] = driver
        return drivers

    def _load_one(self, entry: EntryPoint) -> str:
        """Import and register one plug-in; gives what went wrong, or nothing."""
        try:
            self._register(entry.load(), entry.name)
        except Exception as error:  # noqa: BLE001 - the boundary of a plug-in: its import may raise anything
            _log.warning("The plug-in %s was not loaded: %s", entry.name, error, exc_info=error)
            return f"{type(error).__name__}: {error}"
        return ""

    def _register(self, plugin: object, name: str) -> None:
        self._manager.register(plugin, name)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError:
            self._manager.unregister(name=name)
            raise

    def _blame(self, plugin: str, problem: str, error: BaseException | None = None) -> None:
        _log.warning("The plug-in %s: %s", plugin, problem, exc_info=error)
        known = self._reports.get(plugin, PluginReport(name=plugin))
        self._reports[plugin] = msgspec.structs.replace(known, error=problem)


def _problem(driver: object, taken: dict[str, DriverType]) -> str:
    if not isinstance(driver, DriverType):
        return f"fleetctl_drivers gave {driver!r}, which is no DriverType."
    if driver.api_version != API_VERSION:
        return f"the driver {driver.name!r} is for driver API {driver.api_version}; this is {API_VERSION}."
    return f"there is already a driver {driver.name!r}." if driver.name in taken else ""


def _taking_all(function: Callable[..., Any], wanted: tuple[str, ...]) -> Callable[..., Any]:
    """`function`, called with more arguments than it names."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(**arguments: Any) -> Any:
            return await function(**{name: arguments[name] for name in wanted})

        return call_async

    @functools.wraps(function)
    def call(**arguments: Any) -> Any:
        return function(**{name: arguments[name] for name in wanted})

    return call
