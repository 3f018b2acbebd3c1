"""What TinyG and g2core say, in JSON, and what their numbers mean. It must not know the state of a link or a run.

Sources: synthetos/TinyG 0.97 (`controller.c`, `json_parser.c`, `report.c`, `xio_usb.c`, `canonical_machine.h`,
`tinyg.h`); synthetos/g2 (`xio.cpp`, `error.h`).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

HOLD, FLUSH, RESET = b"!", b"%", b"\x18"
"""Taken out of the stream on arrival, not counted, not answered. TinyG flushes at any `%`, also one in a line."""

STATES: dict[int, str] = {
    0: "starting",
    1: "ready",
    2: "alarm",
    3: "stopped",
    4: "program end",
    5: "moving",
    6: "hold",
    7: "probing",
    8: "cycle",
    9: "homing",
    10: "jogging",
    11: "shut down",
    12: "interlock open",
    13: "panic",
}
"""`stat`; 12 and 13 are g2core's."""

AT_REST = frozenset({1, 3, 4})
MOVING = frozenset({5, 7, 8, 9, 10})
FAULTS = frozenset({2, 11, 13})

NUMBER_MOST = 1e9
"""Beyond the travel of any machine in mm, and any feed in mm/min; digits that were garbled may say more."""

_WAITS = re.compile(rb"M0*(?:[016]|60)(?![\d.])")
_CHANGES_TOOL = re.compile(rb"M0*6(?![\d.])")
_STORING = re.compile(rb"G0*10(?!\d)|G0*28\.1|G0*30\.1")

_decoder = msgspec.json.Decoder()


class Answer(msgspec.Struct, frozen=True):
    """One line: `kind` is `r` (answers a line), `sr`, `qr`, `er` or empty; `status` of an `r` is 0 for ok."""

    kind: str
    body: dict[str, Any]
    status: int = 0


def read(line: bytes) -> Answer | None:
    """A JSON line; None when it is garbled or text."""
    if not line.startswith(b"{"):
        return None
    try:
        told = _decoder.decode(line)
    except (ValueError, RecursionError):  # besides what is no JSON: bytes that are no UTF-8, and nesting without end
        return None
    if not isinstance(told, dict):
        return None
    if "r" in told:
        body, footer = told["r"], told.get("f")
        if isinstance(body, dict) and footer is None:
            footer = body.get("f")  # older builds put it inside
        if not isinstance(body, dict) or not isinstance(footer, list) or len(footer) < 2:
            return None
        return Answer("r", body, footer[1] if isinstance(footer[1], int) else 1)
    for kind in ("sr", "er"):
        if isinstance(told.get(kind), dict):
            return Answer(kind, told[kind])
    return Answer("qr", told) if "qr" in told else Answer("", told)


def is_banner(answer: Answer) -> bool:
    """The board has just started: everything in flight is gone."""
    return answer.kind == "r" and answer.body.get("msg") == "SYSTEM READY"


def fault_text(body: dict[str, Any]) -> str:
    """What an exception report says."""
    return f"status {body.get('st', '?')}: {body.get('msg', 'no text')}"


def number(told: Any) -> float | None:
    """What was told as a place or a speed; None when it is no number, or none that a machine can mean."""
    return float(told) if isinstance(told, int | float) and abs(told) < NUMBER_MOST else None


def encode(body: dict[str, Any]) -> str:
    """An answer as a person reads it."""
    return msgspec.json.encode(body).decode()


def waits(line: bytes) -> bool:
    """A program stop or tool change, at which the host waits itself: M0, M1, M6, M60."""
    return b"M" in line and _WAITS.search(line) is not None


def changes_tool(line: bytes) -> bool:
    """M6."""
    return _CHANGES_TOOL.search(line) is not None


def refusal(line: bytes) -> str:
    """Why this line of a program must not be streamed; empty when it may."""
    if line[:1] in b"$?{":
        return "a line that is no G-code does not belong into a program"
    if b"%" in line:
        return "TinyG takes % for a queue flush wherever it stands"
    found = _STORING.search(line) if b"10" in line or b".1" in line else None
    return f"{found[0].decode()} would write the controller's stored offsets" if found else ""
