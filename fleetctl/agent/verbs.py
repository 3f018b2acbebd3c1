"""What a person may ask of a machine, and when it is refused.

Responsible for the conditions of each verb; the driver does the deed. A verb is done now or not at all. Must
not know how answers travel.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from fleetctl.agent import by_hand
from fleetctl.agent.execution import Execution
from fleetctl.agent.session import Session
from fleetctl.driver.api import Driver
from fleetctl.errors import Conflict, FleetctlError, LatchClosed, LinkError, MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.messages import Answer, Verb
from fleetctl.model.run import RunState

PATIENCE_S = 960.0
"""Longer than any driver takes for a verb; a driver that takes longer hangs."""

Found = list[str] | by_hand.Values
Deed = Callable[[], Coroutine[Any, Any, Found]]
"""What a verb does, ready to be done; gives the lines of its answer, or the values that it found."""

SAFE_VERBS = frozenset({"pause", "cancel", "make-safe"})
"""These never wait for the journal's disk, and are allowed while everything is stopped."""

_WHILE_STOPPED = SAFE_VERBS | {"clear-fault", "reconnect"}


async def answer(verb: Verb, session: Session) -> Answer:
    """Do the verb and say how it went; a lost link is an answer too."""
    try:
        if verb.verb == "reconnect":
            _no_hand(session)
            session.reconnect()
            return Answer(command_id=verb.command_id)
        deed = _deed(verb, session)
        doing = session.spawn(_done(verb, session, deed), f"verb {verb.verb}")
    except FleetctlError as error:
        return Answer(command_id=verb.command_id, error=str(error))
    await asyncio.wait([doing])
    done = None if doing.cancelled() else doing.result()
    return done or Answer(command_id=verb.command_id, error=f"The link was lost during {verb.verb}.")


def _deed(verb: Verb, session: Session) -> Deed:
    """What to do, or why not."""
    deed = _DEEDS.get(verb.verb)
    if deed is None:
        raise UsageError(f"There is no verb {verb.verb!r}.")
    _not_stopped(verb, session)
    driver = session.driver
    if driver is None or session.facts.link is not Link.ONLINE:
        raise LinkError(f"The machine is {session.facts.link.value}.", machine=session.name)
    if verb.run_id is not None and (session.hand is None or session.hand.run_id != verb.run_id):
        raise Conflict(f"Run {verb.run_id} is not in hand any more.", machine=session.name)
    return functools.partial(deed, verb, session, driver)


def _not_stopped(verb: Verb, session: Session) -> None:
    if session.stopped and verb.verb not in _WHILE_STOPPED:
        raise LatchClosed(machine=session.name, hint="Release the stop first.")


async def _done(verb: Verb, session: Session, deed: Deed) -> Answer:
    try:
        _not_stopped(verb, session)  # again: this is a later turn of the loop
        async with asyncio.timeout(PATIENCE_S):
            found = await deed()
    except FleetctlError as error:
        return Answer(command_id=verb.command_id, error=str(error))
    except TimeoutError:
        return Answer(command_id=verb.command_id, error=f"{verb.verb} took too long; look at the machine.")
    if isinstance(found, dict):
        return Answer(command_id=verb.command_id, values=found)
    return Answer(command_id=verb.command_id, lines=tuple(found))


def _hand(session: Session) -> Execution:
    if session.hand is None:
        raise Conflict("No run is in hand.", machine=session.name)
    return session.hand


def _no_hand(session: Session) -> None:
    if session.hand is not None:
        raise MachineBusy("A run is on it; wait for its end, or cancel it.", machine=session.name)


async def _pause(_verb: Verb, session: Session, driver: Driver) -> list[str]:
    hand = _hand(session)
    if not hand.started:
        raise Conflict("The run has not begun; cancel it instead.", machine=session.name)
    await driver.pause()
    return []


async def _resume(_verb: Verb, session: Session, driver: Driver) -> list[str]:
    hand = _hand(session)
    if hand.at_gate or hand.state not in (RunState.PAUSED, RunState.WAITING):
        raise Conflict(f"The run is {hand.state.value}, not paused.", machine=session.name)
    await driver.resume()
    return []


async def _cancel(_verb: Verb, session: Session, driver: Driver) -> list[str]:
    await _hand(session).cancel(driver)
    return []


async def _cycle_start(verb: Verb, session: Session, driver: Driver) -> list[str]:
    """The button: begins a run that waits for it, or goes on where the firmware waits for a person."""
    hand = _hand(session)
    if hand.at_gate:
        hand.press_cycle_start()
        return []
    return await _resume(verb, session, driver)


async def _clear_fault(_verb: Verb, session: Session, driver: Driver) -> list[str]:
    _no_hand(session)
    await driver.clear_fault()
    return []


async def _home(_verb: Verb, session: Session, driver: Driver) -> list[str]:
    _no_hand(session)
    lost_before = session.facts.positions_lost
    await driver.home()
    if session.facts.positions_lost != lost_before:
        raise MachineError("It homed, and then its position was lost again.", machine=session.name)
    session.facts.position = Position.KNOWN
    session.facts.tell()
    return []


async def _trust_position(_verb: Verb, session: Session, _driver: Driver) -> list[str]:
    """A person looked where the tool is and vouches for it: the way back for a machine that cannot home."""
    _no_hand(session)
    if session.facts.activity is not Activity.IDLE:
        raise MachineBusy(f"It is {session.facts.activity.value}; reset it first.", machine=session.name)
    session.facts.position = Position.KNOWN
    session.facts.tell()
    return []


async def _make_safe(_verb: Verb, session: Session, driver: Driver) -> list[str]:
    await driver.make_safe()
    session.made_safe()
    return []


async def _command(verb: Verb, session: Session, driver: Driver) -> list[str]:
    if session.hand is not None and not session.hand.started:
        _no_hand(session)
    return await driver.command(verb.text)


_DEEDS: dict[str, Callable[[Verb, Session, Driver], Coroutine[Any, Any, Found]]] = {
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "cycle-start": _cycle_start,
    "clear-fault": _clear_fault,
    "home": _home,
    "trust-position": _trust_position,
    "make-safe": _make_safe,
    "command": _command,
    "jog-step": by_hand.jog_step,
    "override": by_hand.override,
    "heat": by_hand.heat,
    "work-offsets": by_hand.work_offsets,
    "set-work-offset": by_hand.set_work_offset,
    "probe": by_hand.probe,
}
