"""What people say of parts: results and dispositions."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

import sqlalchemy as sa

from fleetctl.errors import UsageError
from fleetctl.fleet import texts
from fleetctl.fleet.changes import Stamp, check_seen, part_to, settle_places
from fleetctl.fleet.checks import add_result
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import PartShape
from fleetctl.fleet.views import Views
from fleetctl.model.part import STATE_AFTER, Disposition, Part, PartState, Result
from fleetctl.plugin.hookspecs import CheckResult
from fleetctl.store import parts

E = TypeVar("E", bound=StrEnum)


class Parts:
    """The verbs of a part."""

    def __init__(self, record: Record, views: Views) -> None:
        self._record = record
        self._views = views

    async def inspect(
        self,
        code: str,
        result: str,
        reason: str,
        actor: str,
        value: float | None = None,
        characteristic: str = "",
        seen: int | None = None,
    ) -> PartShape:
        """A person assessed a part: pass makes it good, fail scrap. Raises UsageError, NotFound, Conflict."""
        given = _member(Result, result)
        texts.text(reason, "reason", texts.REASON_MOST)
        texts.text(characteristic, "characteristic")
        found = CheckResult(check="person", result=given, reason=reason, value=value, characteristic=characteristic)

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            part = parts.coded(conn, code)
            check_seen(part.code, part.version, seen)
            judge(conn, part, found, stamp)

        await self._record.change(actor, unit)
        return await self._views.part(code)

    async def dispose(
        self, code: str, disposition: str, reason: str, actor: str, seen: int | None = None
    ) -> PartShape:
        """A person decides about a part. Raises UsageError, NotFound, Conflict."""
        decided = _member(Disposition, disposition)
        texts.text(reason, "reason", texts.REASON_MOST)

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            part = parts.coded(conn, code)
            check_seen(part.code, part.version, seen)
            parts.add_disposition(
                conn,
                id=stamp.new_id(),
                part_id=part.id,
                disposition=decided.value,
                reason=reason,
                given_by=actor,
                at_s=stamp.at_s,
            )
            part_to(conn, part, STATE_AFTER[decided], stamp, reason or f"{decided.value} by {actor}")
            settle_places(conn, part.job_id, stamp)

        await self._record.change(actor, unit)
        return await self._views.part(code)


_AFTER_RESULT = {Result.PASS: PartState.GOOD, Result.FAIL: PartState.SCRAP, Result.NOT_ASSESSED: PartState.HOLD}


def judge(conn: sa.Connection, part: Part, result: CheckResult, stamp: Stamp) -> None:
    """Record a person's result and what follows from it. Raises IllegalTransition."""
    add_result(conn, part, result, stamp)
    following = _AFTER_RESULT[result.result]
    if part.state is not following:
        part_to(conn, part, following, stamp, result.reason or f"{result.result.value} by {stamp.actor}")
    settle_places(conn, part.job_id, stamp)


def _member(kind: type[E], value: str) -> E:
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(member.value for member in kind)
        raise UsageError(f"{value!r} is none of {choices}.") from None
