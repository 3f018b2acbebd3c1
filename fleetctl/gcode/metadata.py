"""What slicers write in comments at the head and tail of a program: `key = value` pairs.

Reads only comments, and only the texts it is given. It must not trust or check what it reads; what the pairs mean is
for `claims`.
"""

from __future__ import annotations

import json
import re

from fleetctl.gcode.secrets import holds_secret, is_secret

__all__ = ["MAX_KEYS", "MAX_VALUE", "is_secret", "read_pairs", "seconds"]

MAX_KEYS = 1000
MAX_VALUE = 400

_PAIR = re.compile(rb"(?m)^;[ \t]*(?:-{3} )?([A-Za-z][\w /()\[\].#-]{0,60}?)[ \t]*[=:][ \t]*([^\r\n]*)")
_SIMPLIFY3D = re.compile(rb"(?m)^;   ([A-Za-z]\w{0,60}),([^\r\n]*)")
_CURA_SETTINGS = re.compile(rb"(?m)^;SETTING_3 ([^\r\n]*)")
_CURA_VALUE = re.compile(r"(?m)^(\w{1,60}) = ([^\n]*)$")
_UNIT = r"(?:days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)"
_SPAN = re.compile(rf"(?:\d+(?:\.\d+)?\s*{_UNIT}[\s:,]*)+", re.IGNORECASE)
_SPAN_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT})", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,4}):(\d\d):(\d\d)")
_UNIT_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def read_pairs(*texts: bytes) -> dict[str, str]:
    """`key = value` and `key: value` comments, Simplify3D's `key,value` and Cura's settings; the first of a key wins.

    Secrets are left out, by key and inside values; values are cut at 400 characters; at most 1000 keys, lower case.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        for found in _PAIR.finditer(text):
            key = found.group(1).decode("ascii", "replace").lower()
            if not key.startswith("setting_"):
                _keep(pairs, key, found.group(2).decode("utf-8", "replace"))
        if b"Simplify3D" in texts[0] or b"Simplify3D" in text[:4096]:
            for found in _SIMPLIFY3D.finditer(text):
                _keep(pairs, found.group(1).decode().lower(), found.group(2).decode("utf-8", "replace"))
    for text in texts:
        for key, value in _cura_settings(text):
            _keep(pairs, key.lower(), value)
    return pairs


def _keep(pairs: dict[str, str], key: str, text: str) -> None:
    value = text.strip().removesuffix("---").strip()
    if key in pairs or len(pairs) >= MAX_KEYS or is_secret(key) or holds_secret(value):
        return
    pairs[key] = value[:MAX_VALUE]


def _cura_settings(text: bytes) -> list[tuple[str, str]]:
    """Cura's own settings: one JSON text, cut into `;SETTING_3 ` lines, that holds texts in INI form."""
    lines = [found.group(1) for found in _CURA_SETTINGS.finditer(text)]
    if not lines:
        return []
    try:
        held = json.loads(b"".join(lines).decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return []
    if not isinstance(held, dict):
        return []
    parts = [held.get("global_quality", ""), *_texts(held.get("extruder_quality"))]
    found = (_CURA_VALUE.findall(part.replace("\\n", "\n")) for part in parts if isinstance(part, str))
    return [pair for part in found for pair in part]


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def seconds(text: str) -> float | None:
    """`1d 7h 25m 3s`, `2 hours 5 minutes`, `40m:36s`, `01:20:03` or plain seconds; None for anything else."""
    text = text.split(";")[0].strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return _believable(float(text))
    if clock := _CLOCK.fullmatch(text):
        h, m, s = (int(part) for part in clock.groups())
        return (h * 60.0 + m) * 60 + s
    if not _SPAN.fullmatch(text):
        return None
    return _believable(sum(float(count) * _UNIT_S[unit[0].lower()] for count, unit in _SPAN_PART.findall(text)))


def _believable(total_s: float) -> float | None:
    """Hundreds of digits are no duration, and must not become infinity."""
    return total_s if total_s < 1e12 else None
