"""What TinyG and g2core say, in JSON, and which words of a program they must never get from a file.

Numbers are in `numbers`. It must not know the state of a link or a run.

Sources: synthetos/TinyG 0.97 (`json_parser.c`, `report.c`, `util.c`, `xio_usb.c`); synthetos/g2 (`json_parser.cpp`,
`xio.cpp`, `cycle_probing.cpp`).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

HOLD, START, FLUSH, RESET, LINE_END = b"!", b"~", b"%", b"\x18", b"\n"
"""Taken out of the stream on arrival, not counted, not answered. TinyG flushes at any `%`, also one in a line."""

AT_REST = frozenset({1, 3, 4})
MOVING = frozenset({5, 7, 8, 9, 10})
HOLDING, HOMING, PROBING = 6, 9, 7

NUMBER_MOST = 1e9
"""Beyond the travel of any machine in mm, and any feed in mm/min; digits that were garbled may say more."""

CHECKSUM_MODULUS = 9999

_WAITS = re.compile(rb"M0*(?:[016]|60)(?![\d.])")
_STOPS = re.compile(rb"M0*(?:[01]|60)(?![\d.])")
_CHANGES_TOOL = re.compile(rb"M0*6(?![\d.])")
_TOOL = re.compile(rb"T(\d+)")
_STORING = re.compile(rb"G0*10(?!\d)|G0*28\.[13]|G0*30\.1")
_BARE_NAME = re.compile(rb"([{,])([A-Za-z_]\w*):")
_SWITCHES = re.compile(rb"([MS])0*(\d+(?:\.\d*)?|\.\d+)")

_decoder = msgspec.json.Decoder()


class Answer(msgspec.Struct, frozen=True):
    """One line. `kind` is `r` (answers a line), `sr`, `qr`, `er`, `prb` or empty.

    Of an `r`: `status`, 0 for ok, and `size_bytes`, how long the line was that it answers, line end included; at
    most 1 when nobody sent one, and -1 when it is not told.
    """

    kind: str
    body: dict[str, Any]
    status: int = 0
    size_bytes: int = -1

    @property
    def is_unasked(self) -> bool:
        """An `r` at the end of a homing or probing cycle, which answers no line (cycle_homing.c, cycle_probing.c)."""
        return 0 <= self.size_bytes <= 1 and ("prb" in self.body or ("msg" in self.body and self.status != 0))


def read(line: bytes) -> Answer | None:
    """A JSON line; None when it is garbled or text. Names without quotes are read too (`{"js":0}`)."""
    if not line.startswith(b"{"):
        return None
    quoted = line if line[1:2] in (b'"', b"}") else _BARE_NAME.sub(rb'\1"\2":', line)
    try:
        told = _decoder.decode(quoted)
    except (ValueError, RecursionError):  # besides what is no JSON: bytes that are no UTF-8, and nesting without end
        return None
    if not isinstance(told, dict):
        return None
    if "r" in told:
        return _answer(line, told)
    for kind in ("sr", "er", "prb"):
        if isinstance(told.get(kind), dict):
            return Answer(kind, told[kind])
    return Answer("qr", told) if "qr" in told else Answer("", told)


def _answer(line: bytes, told: dict[str, Any]) -> Answer | None:
    body, footer = told["r"], told.get("f")
    if isinstance(body, dict) and footer is None:
        footer = body.get("f")  # with the footer's depth ("jd") 1 it is inside
    if not isinstance(body, dict) or not isinstance(footer, list) or len(footer) < 2:
        return None
    if len(footer) > 3 and footer[3] != checksum(line[: line.rfind(b",")]):
        return None
    size_bytes = footer[2] if len(footer) > 2 and isinstance(footer[2], int) else -1
    return Answer("r", body, footer[1] if isinstance(footer[1], int) else 1, size_bytes)


def checksum(text: bytes) -> int:
    """Of an answer up to the comma before it; the last number of TinyG's footer (util.c, compute_checksum)."""
    total = 0
    for byte in text:
        total = (31 * total + byte) & 0xFFFFFFFF
    return total % CHECKSUM_MODULUS


def is_banner(answer: Answer) -> bool:
    """The board has just started: everything in flight is gone."""
    return answer.kind == "r" and answer.body.get("msg") == "SYSTEM READY"


def number(told: Any) -> float | None:
    """What was told as a place or a speed; None when it is no number, or none that a machine can mean."""
    return float(told) if isinstance(told, int | float) and abs(told) < NUMBER_MOST else None


def point(told: Any) -> tuple[float, float, float] | None:
    """`{"x":..,"y":..,"z":..}`; None when one of them is missing or no number."""
    if not isinstance(told, dict):
        return None
    x, y, z = (number(told.get(axis)) for axis in "xyz")
    return None if x is None or y is None or z is None else (x, y, z)


def encode(body: dict[str, Any]) -> str:
    """An answer as a person reads it."""
    return msgspec.json.encode(body).decode()


def waits(line: bytes) -> bool:
    """A program stop or tool change, at which the host waits itself: M0, M1, M6, M60."""
    return b"M" in line and _WAITS.search(line) is not None


def changes_tool(line: bytes) -> bool:
    """M6."""
    return _CHANGES_TOOL.search(line) is not None


def before_wait(line: bytes) -> bytes:
    """What of a line with a wait is carried out: for M0, M1 and M60 all else, before the wait, because a stop comes
    last in its line; for M6 all else, after it. Empty when nothing is left."""
    rest = _STOPS.sub(b"", _CHANGES_TOOL.sub(b"", line))
    return rest if _TOOL.sub(b"", rest).strip() else b""


def tool_named(line: bytes) -> str:
    """`T2` when this line names a tool, else empty."""
    found = _TOOL.search(line)
    return f"T{int(found[1])}" if found else ""


def switches(line: bytes) -> list[tuple[str, str]]:
    """M and S words of a line in order, as `("M", "3")`."""
    return [(letter.decode(), value.decode()) for letter, value in _SWITCHES.findall(line)]


def refusal(line: bytes) -> str:
    """Why this line of a program must not be streamed; empty when it may."""
    if line[:1] in b"$?{":
        return "a line that is no G-code does not belong into a program"
    if line[:1] in b"Hh":
        return "a line that begins with H would switch TinyG to text mode"
    if b"%" in line:
        return "TinyG takes % for a queue flush wherever it stands"
    found = _STORING.search(line) if b"10" in line or b"." in line else None
    return f"{found[0].decode()} would write the controller's stored offsets or move its zero" if found else ""
