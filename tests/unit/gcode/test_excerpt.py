"""Lines read again are the lines that the core numbered, whatever their ends and wherever blocks are cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.gcode import excerpt, source
from fleetctl.gcode.excerpt import lines_at, readable, utf16_column

PIECES = st.lists(st.sampled_from([b"G1 X1", b"", b"\xc3\x84", b"\n", b"\r", b"\r\n", b"; c"]), max_size=30)


def by_hand(data: bytes) -> list[bytes]:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


@given(PIECES, st.integers(1, 9))
def test_lines_are_those_of_the_file(pieces: list[bytes], block_bytes: int) -> None:
    data = b"".join(pieces)
    lines = by_hand(data)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(source, "BLOCK_BYTES", block_bytes)
        found = lines_at(data, range(0, len(lines) + 3))
        assert found == dict(enumerate(lines, 1))
        for number in range(1, len(lines) + 1):
            assert lines_at(data, [number]) == {number: lines[number - 1]}


def test_a_file_is_read_no_further_than_needed(tmp_path: Path) -> None:
    file = tmp_path / "x.gcode"
    file.write_bytes(b"G28\nG1 X1\n" + b"G1 X2\n" * 500_000)
    assert lines_at(file, {2}) == {2: b"G1 X1"}
    assert lines_at(file, {1, 400_000}) == {1: b"G28", 400_000: b"G1 X2"}
    assert lines_at(file, {}) == {}


def test_a_huge_line_is_cut() -> None:
    data = b"G1 X1" * 100_000 + b"\nG28\n"
    found = lines_at(data, {1, 2})
    assert len(found[1]) == excerpt.KEPT_BYTES and found[2] == b"G28"


def test_readable_keeps_the_place_of_a_byte() -> None:
    line = "Müller ; \t\x1b[31m~".encode()
    text, at = readable(line, line.index(b"~") + 1)
    assert text[at] == "~" and "\x1b" not in text and "\t" not in text
    text, at = readable(b"G1 \xff X5", 6)
    assert text[at] == "X"


def test_columns_of_editors_are_utf16_units() -> None:
    line = "Ä😀 X5".encode()
    assert utf16_column(line, line.index(b"X") + 1) == 5
    assert utf16_column(b"G1 X5", 4) == 4
