"""What a session knows of the thing at its port: which board it is, and at which speed it was understood.

Must not know links or runs; the session says when somebody answered and what follows.
"""

from __future__ import annotations

from fleetctl.agent.records import SpeedFound
from fleetctl.agent.shared import Shared
from fleetctl.errors import BoardChanged
from fleetctl.model.board import Board
from fleetctl.model.messages import MachineAssignment
from fleetctl.transport.probing import KnownSpeed


class Recognition:
    """Of one machine. `board` is the one on record, or what was learned before the record knew it."""

    def __init__(self, assignment: MachineAssignment, shared: Shared) -> None:
        """Trusts the speed that the journal has, until it fails."""
        self.board = assignment.board
        self._machine_id = assignment.machine_id
        self._name = assignment.name
        self._journal = shared.journal
        self._speed_sure = True

    def speed(self) -> KnownSpeed:
        """For the next attempt; not sure any more in the one after that, unless this one succeeds."""
        baud = self._journal.state.content.speeds_baud.get(self._machine_id)
        sure, self._speed_sure = self._speed_sure, False
        return KnownSpeed(baud=baud, sure=sure, found=self._speed_found)

    def doubt_speed(self) -> None:
        """The port is another one, or set up in another way."""
        self._speed_sure = False

    def _speed_found(self, baud: int) -> None:
        if self._journal.state.content.speeds_baud.get(self._machine_id) != baud:
            self._journal.append(SpeedFound(self._machine_id, baud))

    def answered(self, board: Board) -> None:
        """Raise BoardChanged when it is another one than on record: somebody swapped cables or boards, and programs,
        offsets and the record of parts are those of the other one."""
        self._speed_sure = True
        if contradiction := self.board.contradiction(board):
            raise BoardChanged(
                f"Another board answers: {contradiction}.",
                machine=self._name,
                hint="Look at the cables; if the board was exchanged on purpose, "
                f"`fleetctl machine confirm-board {self._name}`.",
            )
        self.board = self.board.learned(board)

    def recorded(self, before: Board, board: Board) -> bool:
        """The record says another board than `before`; whether a person exchanged one that was known."""
        if board == before or not board.known:
            return False
        self.board = board
        return bool(before.contradiction(board))
