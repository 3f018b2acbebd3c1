"""What the bytes of a line are, in code and in comments: a second, slow reading to check the core's against.

For lines of words, ( ) comments, ; comments, checksums and display messages; knows no modal state.
"""

from __future__ import annotations

import functools
import operator
import re

Marks = dict[str, tuple[int, int, int]]

MESSAGE = re.compile(rb"\s*M0*117(?![\d.])")


def kind(byte: int) -> str:
    """The name of what an odd byte is, without where it stands; empty for the others."""
    if byte >= 0x80:
        return "high_byte"
    if byte in b"!?~":
        return "realtime"
    if byte == 0:
        return "nul"
    return "control" if (byte < 32 and byte != 9) or byte == 127 else ""


class Line:
    """One line being read, and the marks of all."""

    def __init__(self, marks: Marks, number: int, text: bytes) -> None:
        self.marks, self.number, self.text = marks, number, text

    def note(self, name: str, at: int) -> None:
        line, column, count = self.marks.get(name, (self.number, at + 1, 0))
        self.marks[name] = (line, column, count + 1)

    def look(self, begin: int, end: int, where: str) -> None:
        """Note the odd bytes of a stretch that is `code` or `comment`."""
        for at in range(begin, end):
            if name := kind(self.text[at]):
                self.note(name if name == "nul" else f"{name}_{where}", at)

    def read(self, parens: bool, messages: bool) -> None:
        text = self.text
        message = MESSAGE.match(text) if messages else None
        at = message.end() if message else 0
        if message:
            end = text.find(b";", at)
            self.look(at, len(text) if end < 0 else end, "comment")
            at = len(text) if end < 0 else end
        while at < len(text):
            char = text[at : at + 1]
            if char == b";":
                self.look(at + 1, len(text), "comment")
                return
            if char == b"(" and parens:
                at = self.paren(at)
                continue
            if char == b"*":
                at = self.checksum(at)
                continue
            self.look(at, at + 1, "code")
            at += 1

    def paren(self, at: int) -> int:
        """A ( ) comment; gives where it ends."""
        self.note("paren_comment", at)
        end = self.text.find(b")", at)
        if end < 0:
            self.note("unclosed_comment", at)
        stop = len(self.text) if end < 0 else end
        for inside in range(at + 1, stop):
            if self.text[inside] == 40:
                self.note("nested_comment", inside)
        self.look(at + 1, stop, "comment")
        return stop + 1

    def checksum(self, at: int) -> int:
        """A * with its number, and what follows up to a comment."""
        self.note("checksum", at)
        digits = re.match(rb"\d*", self.text[at + 1 :])
        assert digits is not None
        if digits.group() == b"" or int(digits.group()) != functools.reduce(operator.xor, self.text[:at], 0):
            self.note("checksum_wrong", at)
        end = self.text.find(b";", at)
        end = len(self.text) if end < 0 else end
        self.look(at + 1, end, "code")
        return end


def marks(data: bytes, parens: bool, messages: bool) -> Marks:
    """{hazard: (first line, its column, count)} of a whole program."""
    found: Marks = {}
    for number, text in enumerate(re.split(rb"\r\n|\n|\r", data), 1):
        Line(found, number, text).read(parens, messages)
    return found
