"""Lines that are put into a program, each with its reason; and numbers written exactly.

It must not know what the lines are for.
"""

from __future__ import annotations

from fleetctl.gcode.transform.contract import PreviewLine


def written(value_nm: int) -> str:
    """A length in nm as millimetres, exactly and without needless zeros."""
    sign = "-" if value_nm < 0 else ""
    whole, rest = divmod(abs(value_nm), 1_000_000)
    return f"{sign}{whole}" + (f".{rest:06d}".rstrip("0") if rest else "")


def nm(value_mm: float) -> int:
    """Millimetres as whole nm."""
    return round(value_mm * 1_000_000)


def plain(value: float) -> str:
    """A number that is no length, with at most six decimals and no exponent."""
    return written(round(value * 1_000_000))


class Steps:
    """Lines in the order in which they will be carried out."""

    def __init__(self) -> None:
        self.lines: list[PreviewLine] = []
        self.warnings: list[str] = []

    def add(self, text: str, reason: str) -> None:
        """Put in a line."""
        self.lines.append(PreviewLine(text, reason))

    def warn(self, sentence: str) -> None:
        """Tell the person something that no line can do."""
        self.warnings.append(sentence)

    def text(self, *heading: str) -> bytes:
        """The lines as they stand in the program: a heading of comments, then each line with its reason."""
        written_lines = [f"; {ascii_only(line)}" for line in heading]
        written_lines += [f"{line.text} ; {ascii_only(line.reason)}" for line in self.lines]
        return "".join(line + "\n" for line in written_lines).encode("ascii")


def ascii_only(text: str) -> str:
    """A text for a comment: no byte that a controller could take as a real-time command (I13)."""
    return "".join(c if 32 <= ord(c) < 127 and c not in "?!~;()" else "_" for c in text)
