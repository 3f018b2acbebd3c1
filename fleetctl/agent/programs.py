"""Program files on the machine side: verified while preparing, streamed from the same open descriptor (I4).

Responsible for giving a driver exactly the bytes whose SHA-256 was approved. Must not know runs, machines or
who put the file there. Layout under the root: `ab/abcdef...`, the SHA-256 in 64 lower-case hex digits.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fleetctl.agent.blocking import RunBlocking
from fleetctl.driver.api import ProgramSource
from fleetctl.errors import FleetctlError, LinkError, NotFound, ProgramChanged, UsageError

BLOCK_BYTES = 1024 * 1024
"""Size of a verifying read, and the largest read-ahead."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Program(ProgramSource, Protocol):
    """A verified program in the hands of one run."""

    failure: FleetctlError | None
    """Why reading failed, once it has; the run must then fail."""

    def close(self) -> None:
        """Give the file back; idempotent."""
        ...


class Programs(Protocol):
    """Where verified programs come from."""

    async def open(self, sha256: str) -> Program:
        """The program, read whole and found to have this hash. Raises NotFound, ProgramChanged, UsageError."""
        ...
