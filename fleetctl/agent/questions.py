"""What the controller asks besides verbs: the console of a machine, and captures of its link.

Nothing here reaches the machine, waits for the journal, or is done twice to any harm. Must not know the line: answers
go out through `post`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

import fleetctl
from fleetctl.agent.captures import Captures
from fleetctl.agent.session import Session
from fleetctl.agent.supervisor import Supervisor
from fleetctl.errors import FleetctlError, UsageError
from fleetctl.gcode.secrets import is_secret
from fleetctl.model.messages import Question, Reply
from fleetctl.transport.blanking import BLANK, blank_url

ENDED_BY_A_PERSON = "a person ended it"


class Questions:
    """Takes questions, each answered in a task of its own."""

    def __init__(self, supervisor: Supervisor, captures: Captures, post: Callable[[Reply], None]) -> None:
        """`post` sends a reply if there is a line."""
        self._supervisor = supervisor
        self._captures = captures
        self._post = post

    def take(self, question: Question) -> None:
        """Answer it, soon."""
        self._supervisor.spawn(self._answer(question), f"question {question.about}")

    async def _answer(self, question: Question) -> None:
        session = self._supervisor.sessions.get(question.machine_id)
        try:
            if session is None:
                raise UsageError("This agent does not hold the machine.")
            data = await self._data(question, session)
        except (FleetctlError, OSError) as error:
            self._post(Reply(command_id=question.command_id, error=str(error) or "It failed."))
        else:
            self._post(Reply(command_id=question.command_id, data=data))

    async def _data(self, question: Question, session: Session) -> bytes:
        machine_id = question.machine_id
        match question.about:
            case "console":
                return msgspec.msgpack.encode(session.console.lines(question.after, question.traffic))
            case "capture-begin":
                assignment = session.assignment
                begun = self._captures.begin(
                    machine_id, session.wire, question.seconds, blank_url(assignment.port), header(session)
                )
                return msgspec.msgpack.encode(await begun)
            case "capture-end":
                return msgspec.msgpack.encode(self._captures.end(machine_id, ENDED_BY_A_PERSON))
            case "capture-status":
                return msgspec.msgpack.encode(self._captures.state(machine_id))
            case "capture-read":
                return await self._captures.read(machine_id, question.after)
            case _:
                raise UsageError(f"There is no question {question.about!r}.")


def header(session: Session) -> dict[str, object]:
    """What a capture says of the machine: enough to make its driver again, and no secrets."""
    assignment = session.assignment
    options = {
        key: BLANK.decode() * 8 if is_secret(key) else value for key, value in sorted(assignment.options.items())
    }
    return {
        "fleetctl": fleetctl.__version__,
        "machine": assignment.name,
        "driver": assignment.driver,
        "firmware": session.facts.firmware,
        "profile": msgspec.to_builtins(assignment.profile),
        "options": options,
        "work_offsets_mm": msgspec.to_builtins(assignment.work_offsets_mm),
    }
