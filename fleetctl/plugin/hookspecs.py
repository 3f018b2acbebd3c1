"""Every hook of fleetctl, one sentence each; implementations take only the arguments they name.

Hooks contribute values or judge one thing; they decide nothing. Built-ins register through the same hooks.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pluggy

from fleetctl.driver.api import DriverType
from fleetctl.model.part import Result

PROJECT = "fleetctl"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class FoundPort(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a machine may answer: what `machine discover` lists. `port` is the name to add it under.

    `identity`: what tells it from others (USB vendor, product and serial number). `device` and `names`: what else it
    is called now. `problem`: why it cannot be opened as things are, and what to do. `machine`: who has it on record.
    """

    port: str
    title: str
    driver: str = ""
    identity: str = ""
    device: str = ""
    names: tuple[str, ...] = ()
    problem: str = ""
    machine: str = ""


class PartToCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a check is told: one part just made. `ordinal` counts the parts of its run from 0."""

    part_id: str
    part_code: str
    run_id: str
    machine: str
    ordinal: int
    program_sha256: str
    program_name: str
    machine_options: dict[str, str] = {}


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a check says. `value` and limits in `unit`; a limit that is None is open on that side."""

    check: str
    result: Result
    reason: str = ""
    characteristic: str = ""
    value: float | None = None
    least: float | None = None
    greatest: float | None = None
    unit: str = "mm"


@hookspec
def fleetctl_drivers() -> list[DriverType]:
    """The machine types this plug-in brings."""
    raise NotImplementedError


@hookspec
def fleetctl_discover() -> list[FoundPort]:
    """Ports on this computer where a machine may be; opens nothing, moves nothing."""
    raise NotImplementedError


@hookspec
def fleetctl_check_part(part: PartToCheck) -> Any:
    """Assess one part just made: a CheckResult, None for no opinion, or a coroutine of either."""
    raise NotImplementedError
