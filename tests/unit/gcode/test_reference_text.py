"""Bytes in code and in comments, comments and checksums: the core agrees with the slow reference reading."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.gcode import DIALECTS
from fleetctl.gcode.analysis import scanner

from .reference_text import marks
from .strategies import odd_line

COMPARED = frozenset(
    (
        "high_byte_code", "high_byte_comment", "realtime_code", "realtime_comment", "control_code", "control_comment",
        "nul", "paren_comment", "unclosed_comment", "nested_comment", "checksum", "checksum_wrong",
    )
)  # fmt: skip


@given(
    st.lists(st.tuples(odd_line(), st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=8),
    st.sampled_from(["marlin", "smoothie", "grbl", "linuxcnc"]),
)
def test_odd_bytes(lines: list[tuple[bytes, bytes]], dialect: str) -> None:
    data = b"".join(text + end for text, end in lines)
    chosen = DIALECTS[dialect]
    scan = scanner(chosen, None)
    scan.feed(data)
    scan.finish()
    found = {name: mark for name, mark in scan.hazards().items() if name in COMPARED}
    assert found == marks(data, chosen.paren_comments, chosen.text_commands)


def scanned(data: bytes, dialect: str = "marlin"):
    scan = scanner(DIALECTS[dialect], None)
    scan.feed(data)
    scan.finish()
    return scan


@pytest.mark.parametrize("letter", ["G", "M"])
def test_a_line_keeps_eight_commands(letter: str) -> None:
    scan = scanned(f"{letter}4".encode() * 12 + b"\n", "grbl")
    assert scan.words() == {f"{letter}4": (1, 8, 1)}
    assert scan.hazards()["repeated_word"] == (1, 17, 4)


def test_names_are_kept_while_there_is_room() -> None:
    scan = scanned(b"".join(b"; printing object %03d-%s\n" % (i, b"x" * 296) for i in range(300)))
    names = scan.names()[1]
    assert names == [f"{i:03d}-{'x' * 296}" for i in range(16384 // 300)]
    assert len(scanned(b"".join(b"; printing object %d\n" % i for i in range(300))).names()[1]) == 256


def test_a_name_without_end_is_none() -> None:
    scan = scanned(b"; printing object " + b"x" * 20_000 + b"\n; printing object y\n")
    assert scan.names()[1] == ["y"]


def test_tools_are_kept_while_there_is_room() -> None:
    scan = scanned(b"".join(b"T%d\nG1 E1 F60\n" % i for i in range(40)))
    assert [number for number, _, _ in scan.tools()] == list(range(32))
    assert scan.hazards()["tool_overflow"] == (65, 1, 8)
