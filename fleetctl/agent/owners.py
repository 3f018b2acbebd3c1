"""Which machine an object belongs to: asked by the watchdog, of objects that it finds on the loop's stack.

Looks two steps into what a session holds (its driver, and what that consists of). It must not change anything: it is
asked from another thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleetctl.agent.session import Session


class Owners:
    """The sessions of one agent, by what belongs to them."""

    def __init__(self, sessions: Callable[[], Mapping[str, Session]]) -> None:
        """`sessions` gives the present ones."""
        self._sessions = sessions

    def __call__(self, thing: object) -> str:
        """The id of the machine that `thing` belongs to, or an empty text."""
        wanted = id(thing)
        whose = [
            machine_id
            for machine_id, session in tuple(self._sessions().items())
            if thing is session or thing is session.hand or wanted in _parts(session.driver)
        ]
        return whose[0] if len(whose) == 1 else ""  # what several hold, such as a clock, is nobody's


def _parts(driver: object) -> set[int]:
    """The driver, what it consists of, and what that consists of."""
    found = {id(driver)} if driver is not None else set()
    outer = tuple(getattr(driver, "__dict__", {}).values())
    for part in outer:
        found.add(id(part))
        found.update(map(id, tuple(getattr(part, "__dict__", {}).values())))
    return found
