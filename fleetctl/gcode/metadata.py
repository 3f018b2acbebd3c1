"""What slicers write in comments at the head and tail of a program: `key = value` pairs, claims, pictures.

Reads only comments, and only the head and tail it is given. It must not trust or check what it reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from fleetctl.gcode.facts import SlicerClaims, Thumbnail

MAX_KEYS = 1000
MAX_VALUE = 400

_PAIR = re.compile(rb"(?m)^;[ \t]*([A-Za-z][\w /()\[\].-]{0,60}?)[ \t]*[=:][ \t]*([^\r\n]*)")
_SECRET = re.compile(r"(?i)pass(word|wd)?\b|api_?key|token|secret|auth(?!or)|user(name)?$|printhost_(?!type)")
_HARMLESS = re.compile(r"(?i)_flow|thumbnails|bypass|passes")
_THUMBNAIL = re.compile(rb"thumbnail(_[A-Z]+)? begin (\d{1,5})[x ](\d{1,5}) (\d{1,9})[^\r\n]*\r?\n")
SETTING = re.compile(rb"(?m)^;[ \t]*(filament_type|nozzle_diameter|filament_diameter)[ \t]*=")
"""A slicer's setting that is compared with what a machine has on it."""

_CLOCK = re.compile(r"(?:(\d+)\s*d)?\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m)?\s*(?:(\d+(?:\.\d+)?)\s*s)?\s*$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Does the key name something that must not leave the file (print host passwords, API keys)?"""
    return _SECRET.search(key) is not None and _HARMLESS.search(key) is None


def read_pairs(head: bytes, tail: bytes) -> tuple[dict[str, str], tuple[int, int]]:
    """`key = value` and `key: value` comments, the first of a key wins; and where the first secret stands.

    That is the offset in `head`, the offset in `tail`, -1 where there is none. Secrets are left out of the pairs;
    values are cut at 400 characters; at most 1000 keys.
    """
    pairs: dict[str, str] = {}
    secret = [-1, -1]
    for part, text in enumerate((head, tail)):
        for found in _PAIR.finditer(text):
            key = found.group(1).decode("ascii", "replace").lower()
            value = found.group(2).decode("utf-8", "replace").strip()[:MAX_VALUE]
            if is_secret(key):
                if value.strip('"') and secret[part] < 0:
                    secret[part] = found.start()
            elif key not in pairs and len(pairs) < MAX_KEYS:
                pairs[key] = value
    return pairs, (secret[0], secret[1])


def seconds(text: str) -> float | None:
    """`1d 7h 25m 3s`, or plain seconds; None if it is neither."""
    text = text.split(";")[0].strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    found = _CLOCK.match(text)
    if not found or not any(found.groups()):
        return None
    d, h, m, s = (float(part) if part else 0.0 for part in found.groups())
    return ((d * 24 + h) * 60 + m) * 60 + s


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(n) for n in _NUMBER.findall(text))


def _first(pairs: Mapping[str, str], *keys: str) -> str:
    return next((pairs[key] for key in keys if pairs.get(key)), "")


def _positive(text: str) -> float | None:
    numbers = _numbers(text)
    return numbers[0] if numbers and numbers[0] > 0 else None


def claims(pairs: Mapping[str, str]) -> SlicerClaims:
    """The slicer's own figures out of its pairs: PrusaSlicer, Slic3r, Orca, Bambu Studio and Cura."""
    duration = _first(
        pairs, "estimated printing time (normal mode)", "total estimated time", "estimated printing time",
        "model printing time", "time",
    )  # fmt: skip
    used = _first(pairs, "filament used [mm]", "total filament length [mm]")
    lengths = _numbers(used)
    cura = re.fullmatch(r"(?:\d+(?:\.\d+)?m(?:, )?)+", pairs.get("filament used", ""))
    if not lengths and cura:
        lengths = tuple(n * 1000 for n in _numbers(cura.group()))
    layers = _numbers(_first(pairs, "total layer number", "total layers count", "layer_count"))
    kinds = _first(pairs, "filament_type")
    return SlicerClaims(
        duration_s=seconds(duration) if duration else None,
        printer_model=_first(pairs, "printer_model", "target_machine.name", "printer_settings_id"),
        nozzle_mm=_positive(_first(pairs, "nozzle_diameter")),
        layer_height_mm=_positive(_first(pairs, "layer_height", "layer height")),
        layers=int(layers[0]) if layers else None,
        filament_type=tuple(kind.strip().strip('"') for kind in re.split("[;,]", kinds) if kind.strip()),
        filament_mm=lengths,
        filament_g=_numbers(_first(pairs, "filament used [g]", "total filament weight [g]")),
        filament_diameter_mm=_numbers(_first(pairs, "filament_diameter")),
        filament_density_g_cm3=_numbers(_first(pairs, "filament_density")),
    )


def thumbnails(head: bytes) -> tuple[Thumbnail, ...]:
    """Pictures in the head: where the base64 lines begin, and how many characters of base64 there are."""
    return tuple(
        Thumbnail(
            width_px=int(found.group(2)),
            height_px=int(found.group(3)),
            format=(found.group(1) or b"_PNG")[1:].decode("ascii").lower(),
            offset_bytes=found.end(),
            size_bytes=int(found.group(4)),
        )
        for found in _THUMBNAIL.finditer(head)
    )
