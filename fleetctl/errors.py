"""Every exception of fleetctl; the docstring of a class is its default message.

Four families, by who can mend it: `OperatorError` (the request or the set-up), `MachineError` (the machine
faulted), `LinkError` (the line between us: our framing or theirs), `StoreError` (the database). Anything else
that is raised is a bug. This module must not know any other module of fleetctl.
"""

from __future__ import annotations


class FleetctlError(Exception):
    """Something went wrong."""

    code = "error"

    def __init__(
        self,
        message: str | None = None,
        *,
        machine: str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        """`machine` is its name, `line` a 1-based line of the program, `hint` what to do next."""
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.machine = machine
        self.line = line
        self.hint = hint
        super().__init__(self.message)

    @property
    def where(self) -> str:
        """What goes before the message: the machine, unless the message begins with it, and the line."""
        named = not self.machine or self.message.startswith(self.machine)
        return ("" if named else f"{self.machine}: ") + (f"line {self.line}: " if self.line else "")

    def __str__(self) -> str:
        return f"{self.where}{self.message}" + (f" {self.hint}" if self.hint else "")


class OperatorError(FleetctlError):
    """The request does not fit; change it and try again."""

    code = "operator-error"


class NotFound(OperatorError):
    """There is no such thing here."""

    code = "not-found"


class NotGcode(OperatorError):
    """This file is not G-code."""

    code = "not-gcode"


class UsageError(OperatorError):
    """A value is missing or has the wrong form."""

    code = "usage"


class Conflict(OperatorError):
    """The state changed meanwhile; look again before acting."""

    code = "conflict"


class IllegalTransition(Conflict):
    """That step is not possible from the present state."""

    code = "illegal-transition"


class NotPermitted(OperatorError):
    """You do not have the right to do this."""

    code = "not-permitted"


class ForbiddenByte(OperatorError):
    """The program holds a byte that a controller takes as a real-time command."""

    code = "forbidden-byte"


class LineTooLong(OperatorError):
    """A line of the program is longer than the controller's buffer."""

    code = "line-too-long"


class CannotTransform(OperatorError):
    """The program cannot be transformed in this way."""

    code = "cannot-transform"


class ProgramChanged(OperatorError):
    """The stored program no longer has the hash that was approved."""

    code = "program-changed"


class LatchClosed(Conflict):
    """Everything is stopped until a person releases the stop."""

    code = "stopped"


class MachineError(FleetctlError):
    """The machine reported a fault."""

    code = "machine-error"


class MachineBusy(MachineError):
    """The machine is doing something else."""

    code = "machine-busy"


class LinkError(FleetctlError):
    """The link to the machine failed."""

    code = "link-error"


class LinkUnavailable(LinkError):
    """The port cannot be opened."""

    code = "link-unavailable"


class BoardChanged(LinkError):
    """Another board answers than the one on record."""

    code = "board-changed"


class OurProtocolError(LinkError):
    """We broke the protocol; this is a bug of fleetctl."""

    code = "our-protocol-error"


class TheirProtocolError(LinkError):
    """The other side broke the protocol."""

    code = "their-protocol-error"


class AgentUnavailable(LinkError):
    """The agent that holds this machine does not answer."""

    code = "agent-unavailable"


class StoreError(FleetctlError):
    """The store failed."""

    code = "store-error"


class StoreUnavailable(StoreError):
    """The database cannot be written; running machines go on, nothing new starts."""

    code = "store-unavailable"


class StoreTooNew(StoreError):
    """The database or an agent's journal was written by a newer fleetctl; install it, or restore a backup."""

    code = "store-too-new"


class DataDirectoryInUse(StoreError):
    """Another fleetctl uses this data directory."""

    code = "data-directory-in-use"


class PlaceTaken(Conflict):
    """Another live part holds this place, or another active run this machine."""

    code = "place-taken"


class ConfigurationError(OperatorError):
    """The configuration has a mistake."""

    code = "configuration"
