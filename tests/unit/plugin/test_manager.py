"""Loading plug-ins: what loads, what does not and why, and how hooks are handed out."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest

from fleetctl.driver.api import DriverType
from fleetctl.plugin.hookspecs import FoundPort, hookimpl
from fleetctl.plugin.manager import PluginManager


def make(*args: Any) -> Any:
    raise AssertionError("no driver is made here")


def driver(name: str, api_version: int = 1) -> DriverType:
    return DriverType(name=name, title=name, make=make, api_version=api_version)


class Entry:
    """An entry point."""

    def __init__(self, name: str, plugin: object) -> None:
        self.name = name
        self._plugin = plugin

    def load(self) -> object:
        if isinstance(self._plugin, Exception):
            raise self._plugin
        return self._plugin


class Brings:
    """A plug-in with machine types."""

    def __init__(self, *drivers: object) -> None:
        self._drivers = drivers

    @hookimpl
    def fleetctl_drivers(self) -> list[Any]:
        return list(self._drivers)


class Raises:
    """A plug-in whose hook fails."""

    @hookimpl
    def fleetctl_drivers(self) -> list[DriverType]:
        raise RuntimeError("no licence")


class WrongArguments:
    """A plug-in that wants what the hook does not give."""

    @hookimpl
    def fleetctl_discover(self, colour: str) -> list[FoundPort]:
        return []


def loaded(**plugins: object) -> PluginManager:
    manager = PluginManager()
    manager.load([Entry(name, plugin) for name, plugin in plugins.items()])
    return manager


def errors(manager: PluginManager) -> dict[str, str]:
    return {report.name: report.error for report in manager.reports()}


def test_the_built_in_machine_types_load_from_their_entry_points() -> None:
    manager = PluginManager()
    reports = {report.name: report for report in manager.load()}
    assert {"marlin", "grbl", "gauge"} <= reports.keys()
    assert all(reports[name].error == "" for name in ("marlin", "grbl", "gauge"))
    assert reports["marlin"].distribution == "fleetctl"
    assert {"marlin", "grbl"} <= manager.drivers().keys()


def test_a_plug_in_that_cannot_be_imported_loses_only_itself() -> None:
    manager = loaded(good=Brings(driver("one")), bad=ImportError("No module named 'gone'"))
    assert errors(manager) == {"good": "", "bad": "ImportError: No module named 'gone'"}
    assert list(manager.drivers()) == ["one"]


def test_a_hook_with_wrong_arguments_is_reported_and_not_kept() -> None:
    manager = loaded(good=Brings(driver("one")), wrong=WrongArguments())
    assert "colour" in errors(manager)["wrong"]
    assert manager.implementations("fleetctl_discover") == []
    assert list(manager.drivers()) == ["one"]


def test_a_drivers_hook_that_raises_loses_only_itself() -> None:
    manager = loaded(good=Brings(driver("one")), bad=Raises())
    assert list(manager.drivers()) == ["one"]
    assert "no licence" in errors(manager)["bad"]


@pytest.mark.parametrize(
    ("offered", "complaint"),
    [(driver("taken"), "already"), (driver("old", api_version=0), "API 0"), ("text", "no DriverType")],
)
def test_a_driver_that_cannot_be_used_is_left_out_with_the_reason(offered: object, complaint: str) -> None:
    manager = loaded(a_first=Brings(driver("taken")), b_second=Brings(offered, driver("fine")))
    assert list(manager.drivers()) == ["taken", "fine"]
    assert complaint in errors(manager)["b_second"]


def test_implementations_take_all_arguments_and_stay_coroutines() -> None:
    class Sync:
        @hookimpl
        def fleetctl_check_part(self) -> Any:
            return "no argument"

    class Async:
        @hookimpl
        async def fleetctl_check_part(self, part: Any) -> Any:
            return part

    manager = loaded(b_sync=Sync(), a_async=Async())
    (first, run_async), (second, run_sync) = manager.implementations("fleetctl_check_part")
    assert (first, second) == ("a_async", "b_sync")
    assert inspect.iscoroutinefunction(run_async)
    assert not inspect.iscoroutinefunction(run_sync)
    assert run_sync(part=SimpleNamespace()) == "no argument"


def test_an_unknown_hook_is_an_error() -> None:
    with pytest.raises(AttributeError):
        PluginManager().implementations("fleetctl_make_coffee")


def test_a_name_is_given_once() -> None:
    manager = PluginManager()
    manager.register(Brings(driver("one")), "mine")
    with pytest.raises(ValueError, match="mine"):
        manager.register(Brings(driver("two")), "mine")
