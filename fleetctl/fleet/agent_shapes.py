"""What the outside sees of agents: only shapes; who fills them is `fleet/agents.py`."""

from __future__ import annotations

import msgspec


class BlockedShape(msgspec.Struct, frozen=True, kw_only=True):
    """A driver that held up its agent and all its machines for `late_s` seconds. `where` is file, line, function."""

    machine: str
    driver: str
    late_s: float
    where: str
    at_s: float


class AgentShape(msgspec.Struct, frozen=True, kw_only=True):
    """One agent. `stuck` says what holds it up at this moment; `blocked` what did since we know it, newest last."""

    name: str
    connected: bool
    leaving: bool
    version: str
    pid: int
    machines: tuple[str, ...]
    stuck: str = ""
    blocked: tuple[BlockedShape, ...] = ()


class AgentChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which agent is to hold a machine: `own` (one for it alone), the name of one, or empty for the first one."""

    agent: str = ""
    version: int | None = None
