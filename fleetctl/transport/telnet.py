"""Telnet's in-band commands: which options both sides agree on, and bytes that would be taken for commands.

Sans-I/O. Facts: RFC 854 (commands, IAC, NVT line ends), 855 (options), 856 (BINARY), 858 (SUPPRESS-GO-AHEAD), 1143
(answers only change, or two sides talk for ever). It begins no negotiation by itself: many boards that call their
port telnet pass every byte to the firmware, where an option's number may be a real-time command (24 is Grbl's reset).
It must not know sockets or lines.
"""

from __future__ import annotations

IAC = 255
DONT, DO, WONT, WILL = 254, 253, 252, 251
SB, SE = 250, 240

BINARY, ECHO, SUPPRESS_GO_AHEAD = 0, 1, 3

ESCAPED = b"\xff\xff"
SUBNEGOTIATION_MAX_BYTES = 1024
"""Nothing that we agree to is longer; what is gets cut off."""

_CR, _NUL = 13, 0


class TelnetCodec:
    """One side of one connection. Bytes to send at once collect in `replies`, finished subnegotiations in
    `subnegotiations` as (option, content); whoever reads them empties them.

    `ours`: options that we may do when asked, `theirs`: those that they may do. Both get BINARY and
    SUPPRESS-GO-AHEAD; ECHO is refused, for an echo of our lines is no answer.
    """

    def __init__(self, ours: frozenset[int] = frozenset(), theirs: frozenset[int] = frozenset()) -> None:
        self.replies = bytearray()
        self.subnegotiations: list[tuple[int, bytes]] = []
        self.refused: set[int] = set()
        """Options that we offered or asked for and were refused."""
        self._may = {WILL: ours | {BINARY, SUPPRESS_GO_AHEAD}, DO: theirs | {BINARY, SUPPRESS_GO_AHEAD}}
        self._on: dict[int, set[int]] = {WILL: set(), DO: set()}
        self._offered: dict[int, set[int]] = {WILL: set(), DO: set()}
        self._command = 0
        self._inside: bytearray | None = None
        self._after_iac = False
        self._after_cr = False

    def offer(self, *options: int) -> None:
        """Say that we want to do these options."""
        self._ask(WILL, options)

    def ask(self, *options: int) -> None:
        """Ask the other side to do these options."""
        self._ask(DO, options)

    def we_do(self, option: int) -> bool:
        """Whether both agreed that we do it."""
        return option in self._on[WILL]

    def they_do(self, option: int) -> bool:
        """Whether both agreed that they do it."""
        return option in self._on[DO]

    def subnegotiate(self, option: int, content: bytes) -> None:
        """Send the content of an option."""
        self.replies += bytes((IAC, SB, option)) + escaped(content) + bytes((IAC, SE))

    def receive(self, data: bytes) -> bytes:
        """What of `data` is meant for us; commands are answered in `replies`."""
        plain = IAC not in data and not self._after_iac and not self._command and self._inside is None
        if plain and (self.they_do(BINARY) or (_CR not in data and not self._after_cr)):
            self._after_cr = False
            return data
        out = bytearray()
        for byte in data:
            self._byte(byte, out)
        return bytes(out)

    def _byte(self, byte: int, out: bytearray) -> None:
        if self._after_iac:
            self._after_iac = False
            self._after_command(byte, out)
        elif byte == IAC:
            self._after_iac = True
        elif self._command:
            command, self._command = self._command, 0
            self._negotiated(command, byte)
        elif self._inside is not None:
            if len(self._inside) < SUBNEGOTIATION_MAX_BYTES:
                self._inside.append(byte)
        else:
            self._data(byte, out)

    def _after_command(self, byte: int, out: bytearray) -> None:
        if byte == IAC and self._inside is not None:
            self._inside.append(IAC)
        elif byte == IAC:
            self._data(IAC, out)
        elif byte in (DO, DONT, WILL, WONT):
            self._command = byte
        elif byte == SB:
            self._inside = bytearray()
        elif byte == SE and self._inside is not None:
            content, self._inside = bytes(self._inside), None
            if content:
                self.subnegotiations.append((content[0], content[1:]))
        # Everything else (NOP, go ahead, are you there) has no meaning for a machine.

    def _data(self, byte: int, out: bytearray) -> None:
        padded = self._after_cr and byte == _NUL and not self.they_do(BINARY)
        self._after_cr = byte == _CR
        if not padded:
            out.append(byte)

    def _ask(self, way: int, options: tuple[int, ...]) -> None:
        for option in options:
            if option not in self._on[way] and option not in self._offered[way]:
                self._offered[way].add(option)
                self.replies += bytes((IAC, way, option))

    def _negotiated(self, command: int, option: int) -> None:
        """DO and DONT speak of what we do (our words WILL and WONT); WILL and WONT of what they do (DO and DONT)."""
        way = WILL if command in (DO, DONT) else DO
        yes = command in (DO, WILL)
        asked = option in self._offered[way]
        self._offered[way].discard(option)
        if yes and option in self._may[way]:
            if option not in self._on[way] and not asked:
                self.replies += bytes((IAC, way, option))
            self._on[way].add(option)
        elif yes:
            self.replies += bytes((IAC, way + 1, option))
        elif option in self._on[way]:
            self._on[way].discard(option)
            self.replies += bytes((IAC, way + 1, option))
        elif asked:
            self.refused.add(option)


def escaped(data: bytes) -> bytes:
    """`data` as it goes over the wire: a byte 255 is doubled."""
    return data.replace(b"\xff", ESCAPED)
