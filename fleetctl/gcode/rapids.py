"""How low a mill's rapids go, per coordinate system: what preflight compares with the top of the stock.

Only data. It must not know where the stock is.
"""

from __future__ import annotations

import msgspec


class LowestZ(msgspec.Struct, frozen=True):
    """The lowest Z, mm, and the line that reached it first."""

    z_mm: float
    line: int


class RapidBounds(msgspec.Struct, frozen=True):
    """The rapids (G0) of one coordinate system; names and zero as in `FrameBounds`.

    `travel`: the lowest Z while X or Y moved; both ends of such a move count. `plunge`: the lowest end of a rapid
    that went down below everything cut before it; coming back into a hole made earlier is none. None: there was none.
    """

    frame: str
    travel: LowestZ | None = None
    plunge: LowestZ | None = None
