"""Why something waits: one sentence that names what would unblock it, and the one action that does (I10)."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Need(IntEnum):
    """How urgently a person is needed, lowest number first; from WHEN_CONVENIENT on nobody is needed now."""

    FAULT = 1
    PERSON = 2
    CLEAR_FOR_WORK = 3
    RUN_AT_RISK = 4
    PAUSED = 5
    WHEN_CONVENIENT = 6
    NOBODY = 9


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One button: its label, and the API call that does it, `POST /api/v1/{target}/{verb}`.

    `target` is such as `machines/K3`, `runs/R-0007`, `jobs/J-0001`, `parts/P-00003` or `estop`.
    """

    label: str
    target: str
    verb: str


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why it waits. `sentence` is whole; `action` ends the wait where a person can end it; `code` is stable."""

    code: str
    sentence: str
    need: Need = Need.NOBODY
    action: Action | None = None
