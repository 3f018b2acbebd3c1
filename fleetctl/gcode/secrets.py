"""Which keys name a secret: print host passwords, API keys, access codes. Names only; a value is never looked at.

Secrets leave a file with everybody who gets the file, so they are reported, and never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_SECRET = re.compile(
    r"(?i)passw(?:or)?d|passphrase|passcode|pwd\b|(?:host|wifi|wlan|mqtt|ftp|http|login|user)[ _-]?pass$"
    r"|(?:api|access|host|private|auth|secret)[ _-]?key\b|access[ _-]?code|token|secret|credential"
    r"|(?:^|[ _-])auth$|authori[sz]ation$|(?:host|mqtt|ftp|http|wifi|login)[ _-]?user(?:[ _-]?name)?$"
    r"|printhost_apikey"
)
_HARMLESS = re.compile(r"(?i)_flow|thumbnails|bypass|token_?(?:count|size)")
_INSIDE = re.compile(
    r"(?i)(?:passw(?:or)?d|passphrase|api[ _-]?key|access[ _-]?code|token|secret)[\"'\\ \w-]{0,12}[=:]\s*[\"'\\]*\w"
    r"|://[^/\s:@]*:[^/\s@]+@"
)

_KEY = re.compile(r"[;(]?\s*([\w \t-]{1,64}?)\s*[=:]\s*\S")
"""What stands before a sign and a value, as the keys of comments do."""


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Does the key name something that must not leave the file (print host passwords, API keys)?"""
    return _SECRET.search(key) is not None and _HARMLESS.search(key) is None


def holds_secret(value: str) -> bool:
    """Does a value hold keys and values of its own, one of them a secret (JSON, custom G-code)?"""
    return _INSIDE.search(value) is not None


def shows_secret(line: bytes) -> bool:
    """Would quoting this line of a program repeat a secret? Looks at all of it, whatever kind of comment it is in."""
    text = line.decode("utf-8", "replace")
    return holds_secret(text) or any(is_secret(before) for before in _KEY.findall(text))


def first_secret(keys: Mapping[str, tuple[int, int]]) -> tuple[int, int] | None:
    """The first line and the number of secrets among keys with (first line, count); None if there is none."""
    found = [use for key, use in keys.items() if is_secret(key)]
    return (min(line for line, _ in found), sum(count for _, count in found)) if found else None
