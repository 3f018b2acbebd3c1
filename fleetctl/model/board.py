"""Which board a machine has: what tells one from another of the same kind, and when it is another one."""

from __future__ import annotations

import msgspec


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """What a board says of itself, in its own words; empty for what it does not say.

    `uuid`: its own number (M115 `UUID:`, a network address). `model`: what somebody wrote into its firmware (M115
    `MACHINE_TYPE:`, the text of Grbl's `$I`); two machines of one make share it.
    """

    uuid: str = ""
    model: str = ""

    @property
    def known(self) -> bool:
        """Whether it says anything."""
        return bool(self.uuid or self.model)

    def __str__(self) -> str:
        return " ".join(part for part in (self.model, self.uuid) if part) or "a board without a name"

    def contradiction(self, answered: Board) -> str:
        """Why `answered` cannot be this board: one clause; empty when nothing speaks against it.

        A number that is not said any more contradicts: a board does not lose its own. A model that is not said does
        not: old and new firmware of one board differ in that.
        """
        if self.uuid and answered.uuid != self.uuid:
            return f"its id is {answered.uuid or 'not told'}, on record is {self.uuid}"
        if self.model and answered.model and answered.model != self.model:
            return f"it calls itself {answered.model}, on record is {self.model}"
        return ""

    def learned(self, answered: Board) -> Board:
        """This board with what it said for the first time."""
        return Board(uuid=self.uuid or answered.uuid, model=self.model or answered.model)
