"""Tool paths of stored programs, for pages: made off the loop when somebody asks, and a few kept.

A stored program never changes, so neither does its path. It must not know HTTP, nor draw.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from fleetctl.errors import NotFound, UsageError
from fleetctl.fleet.intake import OffLoop
from fleetctl.fleet.views import Views
from fleetctl.gcode import DETAILS, tool_path
from fleetctl.store.blobs import BlobStore

KEPT_BYTES = 32 << 20
"""How much of finished paths is kept in memory, all together; one larger than that is not kept."""


class Paths:
    """Makes tool paths one at a time, so that pages never take more than one processor."""

    def __init__(self, blobs: BlobStore, views: Views, off_loop: OffLoop) -> None:
        self._blobs = blobs
        self._views = views
        self._off_loop = off_loop
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._making = asyncio.Lock()

    async def of(self, sha256: str, detail: str) -> bytes:
        """The path of a program as `ToolPath.to_bytes` writes it; `detail` is a name of `gcode.DETAILS`.

        `sha256` may be its first digits, at least six. Raises NotFound for a program that is not there or whose
        file is gone, UsageError for a detail that there is not, NotGcode as `analyze` does.
        """
        if detail not in DETAILS:
            raise UsageError(f"There is no detail {detail!r}.", hint=f"Known are: {', '.join(DETAILS)}.")
        program = await self._views.program(sha256)
        key = (program.sha256, detail)
        async with self._making:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            made = await self._off_loop(lambda: self._make(program.sha256, program.dialect, detail))
            self._keep(key, made)
            return made

    def _make(self, sha256: str, dialect: str, detail: str) -> bytes:
        path = self._blobs.path(sha256)
        try:
            return tool_path(path, dialect=dialect, detail=detail).to_bytes()
        except FileNotFoundError:
            raise NotFound(f"The file of program {sha256[:12]} is not stored here.", hint="Send it again.") from None

    def _keep(self, key: tuple[str, str], made: bytes) -> None:
        if len(made) > KEPT_BYTES:
            return
        self._kept[key] = made
        while sum(map(len, self._kept.values())) > KEPT_BYTES:
            self._kept.popitem(last=False)
