"""Splits what a machine sends into lines, whatever the link did to the chunks.

Knows line ends, over-long lines and line noise; must not know what any line means.
"""

from __future__ import annotations

# Control bytes other than tab, line feed and carriage return: a board that resets, or a wrong baud rate,
# sends them.
NOISE = bytes(set(range(32)) - {9, 10, 13}) + b"\x7f"

# Marlin's longest answers (M115, M503 lines) stay below 500 bytes, Grbl's below 300.
DEFAULT_LIMIT_BYTES = 4096

ANSWER_MOST_LINES = 1000
"""How many lines of one answer an engine keeps, the first ones: a list of settings has 300, and a machine that never
stops talking must not fill the memory."""


class LineSplitter:
    """Bytes in any pieces in, whole lines out, without their line end and without empty lines.

    CR and LF each end a line. Noise bytes are taken out and counted in `noise_bytes`; a line longer than
    `limit_bytes` is dropped whole and counted in `overlong_lines`. Bytes of 0x80 and above stay (degree
    signs).
    """

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.noise_bytes = 0
        self.overlong_lines = 0
        self._limit_bytes = limit_bytes
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, oldest first; possibly none."""
        clean = data.translate(None, NOISE)
        self.noise_bytes += len(data) - len(clean)
        if b"\r" in clean:
            clean = clean.replace(b"\r", b"\n")
        *whole, rest = clean.split(b"\n")
        if whole:
            whole[0] = self._rest + whole[0]
            self._rest = b""
        if self._skipping and whole:
            del whole[0]
            self._skipping = False
        lines = [line for line in whole if line]
        if lines and max(map(len, lines)) > self._limit_bytes:
            self.overlong_lines += sum(len(line) > self._limit_bytes for line in lines)
            lines = [line for line in lines if len(line) <= self._limit_bytes]
        self._keep(rest)
        return lines

    @property
    def is_inside(self) -> bool:
        """Whether a line has begun that has not ended, or is being dropped."""
        return bool(self._rest) or self._skipping

    def reset(self) -> None:
        """Forget a line that has begun: the link was opened anew."""
        self._rest = b""
        self._skipping = False

    def _keep(self, rest: bytes) -> None:
        if self._skipping:
            return
        self._rest += rest
        if len(self._rest) > self._limit_bytes:
            self._rest = b""
            self._skipping = True
            self.overlong_lines += 1
