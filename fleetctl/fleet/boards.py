"""Which board a machine has, on record: learned at its first answer, changed only by a person.

The agent refuses another board by itself; here is what the record says and how a person confirms. Units of work only.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from fleetctl.errors import Conflict
from fleetctl.fleet.changes import Stamp, facts_to, log_event
from fleetctl.model.board import Board
from fleetctl.model.machine import Clearance, Machine
from fleetctl.store import machines


def board_reported(conn: sa.Connection, machine: Machine, answered: Board, stamp: Stamp) -> None:
    """A board answered: what it says for the first time is kept; one that contradicts the record only stands beside
    it."""
    if contradiction := machine.board.contradiction(answered):
        if answered != machine.board_answered:
            log_event(
                conn, stamp, "machine.board_refused", machine.name, reason=contradiction, answered=str(answered)
            )
        machines.set_board(conn, machine, machine.board, answered)
    else:
        machines.set_board(conn, machine, machine.board.learned(answered), answered)


def confirm_board(conn: sa.Connection, machine: Machine, stamp: Stamp) -> None:
    """A person says that the board which answered last belongs to this machine. Nobody knows what stands on the
    machine that came with it, so it is uncleared. Raises Conflict when no other board has answered."""
    if not machine.board.contradiction(machine.board_answered):
        raise Conflict(
            "No other board has answered; there is nothing to confirm.",
            machine=machine.name,
            hint=f"On record is: {machine.board}.",
        )
    machines.set_board(conn, machine, machine.board_answered, machine.board_answered)
    facts_to(conn, machine, msgspec.structs.replace(machine.facts, clearance=Clearance.UNCLEARED), stamp)
    log_event(
        conn,
        stamp,
        "machine.board_confirmed",
        machine.name,
        before=str(machine.board),
        after=str(machine.board_answered),
    )
