"""Blanks secrets in what goes over a link, as it goes by: a recording is handed to people who must not have them.

Works on pieces that end anywhere, and changes no length: what is blanked becomes `*`. It knows how firmwares are
told passwords, and must not know anything else of their words.
"""

from __future__ import annotations

import re

BLANK = b"*"

TAIL_KEPT_BYTES = 64
"""How much of an unfinished line is looked at again with its next piece: the longest name of a secret fits."""

_LINE_END = re.compile(rb"(?<=[\r\n])")

_SECRET = re.compile(
    rb"(?i)"
    # Wi-Fi network and its password, access point, web password (RepRapFirmware, M587 to M589, M551); also ESP3D's
    # host, and firmware that repeats the command in its complaint.
    rb"(?<![a-z])M[ \t]{0,8}0{0,4}(?:58[789]|551)(?:\.\d+)?"
    # Set and try the password that locks the machine (Marlin, password.cpp). Its parser takes blanks and zeros before
    # the number, and wants none behind it (parser.cpp).
    rb"|(?<![a-z])M[ \t]{0,8}0{0,4}51[12](?!\d)"
    # Settings of the network and its users (grblHAL, settings.h: 74 to 77, 330, 331).
    rb"|\$[ \t]{0,8}(?:7[4-7]|33[01])\s*="
    # Commands of the network module (ESP3D); all may carry a password behind `pwd=`.
    rb"|\[ESP\d+\]"
    # A name that says so, in `$Sta/Password=`, in JSON, in answers (FluidNC and others).
    rb"|(?:passw(?:or)?d|passphrase|passcode|pwd|psk|api[ _-]?key|access[ _-]?(?:code|key)|token|secret|credential)"
    rb"[\w/ \t\"']{0,16}[=:]"
)


class Blanker:
    """One way of one link. `blank` takes piece after piece."""

    def __init__(self) -> None:
        """At the begin of a line."""
        self._tail = b""
        self._secret = False

    def blank(self, data: bytes) -> bytes:
        """`data`, as long as it was, with what follows the name of a secret blanked up to the end of its line."""
        return b"".join(self._blank(piece) for piece in _LINE_END.split(data))

    def _blank(self, piece: bytes) -> bytes:
        """A piece with at most one line end, at its end."""
        text = piece.rstrip(b"\r\n")
        if self._secret:
            shown = BLANK * len(text)
        else:
            window = self._tail + text
            found = _SECRET.search(window)
            keep = len(text) if found is None else max(0, found.end() - len(self._tail))
            self._tail = window[-TAIL_KEPT_BYTES:]
            self._secret = found is not None
            shown = text[:keep] + BLANK * (len(text) - keep)
        if len(text) < len(piece):
            self._tail = b""
            self._secret = False
        return shown + piece[len(text) :]


def blank_line(text: str) -> str:
    """One whole line with its secrets blanked."""
    return Blanker().blank(text.encode("utf-8")).decode("utf-8", "replace")


_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s]*@")


def blank_url(url: str) -> str:
    """A port's address without the name and password in it."""
    return _PASSWORD_IN_URL.sub("", url)
