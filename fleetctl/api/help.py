"""`/help/problems`: what the `type` of every problem answer leads to, one paragraph for each kind of error.

The texts are those of the error classes themselves; must not know where an error is raised.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import msgspec
from aiohttp import web

from fleetctl import errors
from fleetctl.api.permission import Permission
from fleetctl.api.problems import status_of
from fleetctl.api.routing import Call, Routes

routes = Routes("help")

WHO: tuple[tuple[type[errors.FleetctlError], str], ...] = (
    (errors.OperatorError, "The request or the set-up has to be changed; a hint in the answer says how."),
    (errors.MachineError, "Look at the machine; the answer names it."),
    (errors.LinkError, "Look at the cable, the port or the agent; the answer names the machine."),
    (errors.StoreError, "Look at the disk and the database of the site; running machines go on meanwhile."),
)
"""Who can mend what, by the kind of error; anything else is a bug of fleetctl."""


class Explained(msgspec.Struct, frozen=True):
    """One kind of error as the page shows it; `code` is its anchor."""

    code: str
    sentence: str
    status: int
    remedy: str


def explained() -> Iterator[Explained]:
    """Every code, in alphabetical order."""
    found: list[type] = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    kinds = {kind.code: kind for kind in found if issubclass(kind, errors.FleetctlError)}
    for code, kind in sorted(kinds.items()):
        sentence = (kind.__doc__ or code).strip().splitlines()[0]
        remedy = next((text for family, text in WHO if issubclass(kind, family)), "This is a bug of fleetctl.")
        yield Explained(code, sentence, status_of(kind("")), remedy)


@routes.route("GET", "/help/problems", permission=Permission.PUBLIC)
async def problems_page(call: Call[None]) -> web.Response:
    """Problems: what each code of an answer means and who can mend it."""
    return await call.page("help.html", explained=tuple(explained()))
