"""How a WebSocket link is set up: apart from the link itself, so that nobody without one loads a web client."""

from __future__ import annotations

from typing import Literal

import msgspec


class WebSocketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`protocol` is the subprotocol to ask for (ESP3D wants `arduino`). `frames`: how our bytes are sent; what has a
    byte above 127 (some real-time commands are) goes as binary in any case. After `stall_s` without an answer to a
    ping, or with output that does not leave, the link counts as lost."""

    protocol: str = ""
    frames: Literal["binary", "text"] = "binary"
    stall_s: float = 10.0
